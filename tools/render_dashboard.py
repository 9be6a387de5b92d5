#!/usr/bin/env python3
"""A picture of the dashboard, docs/images/dashboard.png, from the answers of a real Prometheus.

    .venv/bin/python tools/render_dashboard.py [--minutes 4] [--whole]

Starts seacod with the built-in model and Debian's Prometheus, sends work of all kinds for some
minutes with a worker killed in between, asks the queries of the dashboard and draws what comes: the
rows that are looked at first, or all of them. The GPU is the simulated driver of tests/gpu, and the
picture says so. Grafana itself is not needed. Needs Chromium, Prometheus and a C compiler (Debian:
chromium prometheus gcc libc6-dev).
"""

from __future__ import annotations

import argparse
import html
import itertools
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools"), str(ROOT / "tests")]

import gpus  # noqa: E402
from observability import views  # noqa: E402

from seacod.client import NEVER, Client, Refused  # noqa: E402
from seacod.errors import SeacodError  # noqa: E402
from seacod.proving import sounds  # noqa: E402
from seacod.proving.service import PrivateService, free_port, private_service  # noqa: E402

COLOURS = ("#0d9488", "#f59e0b", "#6366f1", "#ef4444", "#84cc16", "#06b6d4", "#a855f7", "#64748b")
WIDTH, HEIGHT = 340, 100
# What somebody who is on duty looks at, by the beginning of a row's title.
SHOWN = ("概览", "显卡")
GPU_MIB = 12_288
# Of each line its legend, and when it had which value.
Lines = list[tuple[str, list[tuple[float, float]]]]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--whole", action="store_true", help="every row, not the first ones alone")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/images/dashboard.png")
    options = parser.parse_args()
    metrics = free_port()
    with tempfile.TemporaryDirectory() as scratch:
        driver = gpus.Driver(Path(scratch) / "nvml", gpus.build(Path(scratch)))
        os.environ.update(driver.environment)
        threading.Thread(target=breathe, args=(driver,), name="gpu", daemon=True).start()
        draw_from(Path(scratch), metrics, options)


def breathe(driver: gpus.Driver) -> None:
    """The simulated GPU's memory goes up and down as if it worked."""
    for step in itertools.count():
        driver.tell(used_mib=round(5200 + 1300 * math.sin(step / 9) + 300 * math.sin(step / 2.3)),
                    total_mib=GPU_MIB)  # fmt: skip
        time.sleep(2)


def draw_from(scratch: Path, metrics: int, options: argparse.Namespace) -> None:
    with private_service(
        "builtin", metrics={"port": metrics}, limits={"queue_length": 12}
    ) as service:
        port, prometheus = start_prometheus(scratch, metrics)
        try:
            service.wait_for_nursery()
            began = time.time()
            work(service, options.minutes * 60)
            draw(port, began, options.out, is_whole=options.whole)
        finally:
            prometheus.kill()
            prometheus.wait()


def start_prometheus(directory: Path, metrics: int) -> tuple[int, subprocess.Popen[bytes]]:
    program = shutil.which("prometheus")
    assert program, "apt-get install prometheus"
    config = (ROOT / "etc/prometheus/prometheus.yml").read_text("utf-8")
    config = config.replace("5s", "2s")
    nodes = (ROOT / "etc/prometheus/seacod-nodes.yml").read_text("utf-8")
    (directory / "seacod-nodes.yml").write_text(
        nodes.replace("127.0.0.1:8000", f"127.0.0.1:{metrics}"), "utf-8"
    )
    (directory / "prometheus.yml").write_text(config.replace("3s", "1s"), "utf-8")
    shutil.copy(ROOT / "etc/prometheus/rules.yml", directory)
    port = free_port()
    process = subprocess.Popen(
        [program, f"--config.file={directory}/prometheus.yml",
         f"--storage.tsdb.path={directory}/data", f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    return port, process


def work(service: PrivateService, seconds: float) -> None:
    """Clients that come and go, mistakes, a crowd now and then, and a worker killed half-way."""
    until = time.monotonic() + seconds

    def client(number: int) -> None:
        dice = random.Random(number)
        with Client(service.url, retry=NEVER) as asked:
            while time.monotonic() < until:
                length = dice.choice((3, 3, 8, 14, 14, 40, 90))
                sound = sounds.wav(sounds.speech(length), dice.getrandbits(60))
                body = b"no sound" if dice.random() < 0.02 else sound
                words = "欣悦 宏宇" if dice.random() < 0.4 else ""
                try:
                    asked.transcribe(("a.wav", body), hotwords=words)
                except Refused:
                    pass
                except SeacodError:
                    time.sleep(0.5)
                # A crowd for a quarter of each minute.
                time.sleep(dice.random() * (0.2 if time.time() % 60 < 15 else 2.5))

    threads = [threading.Thread(target=client, args=(n,), name=f"client-{n}") for n in range(14)]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 2)
    os.kill(service.status()["worker"]["pid"], signal.SIGKILL)
    for thread in threads:
        thread.join()
    time.sleep(6)


def ask(port: int, query: str, began: float) -> list[dict[str, Any]]:
    parameters = {"query": query, "start": began, "end": time.time(), "step": 3}
    url = f"http://127.0.0.1:{port}/api/v1/query_range?{urllib.parse.urlencode(parameters)}"
    with urllib.request.urlopen(url) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


def draw(port: int, began: float, out: Path, *, is_whole: bool) -> None:
    rows = []
    for row in views.ROWS:
        if not is_whole and not row.title.startswith(SHOWN):
            continue
        figures = [panel(port, view, began) for view in row.views]
        rows.append(f"<h2>{html.escape(row.title)}</h2><div class=grid>{''.join(figures)}</div>")
    page = (
        "<!doctype html><meta charset=utf-8><style>body{font:15px system-ui,'WenQuanYi Micro Hei',"
        "sans-serif;margin:16px;width:1108px;background:#fff;color:#1c2430}h2{font-size:18px;"
        "margin:16px 0 8px}.grid{display:grid;gap:10px;"
        "grid-template-columns:repeat(3,minmax(0,1fr))}"
        "figure{margin:0;border:1px solid #e2e8f0;border-radius:6px;padding:8px}figcaption{"
        "font-weight:600}small{color:#64748b;margin-right:8px}"
        "svg{width:100%;height:100px}b{font-size:26px}</style>" + "".join(rows) + "<p><small>GPU: "
        "tests/gpu/fake_nvml.c, a simulated driver 显卡数据来自模拟驱动</small></p>"
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        shot = browser.new_page(viewport={"width": 1140, "height": 900})
        shot.set_content(page)
        shot.screenshot(path=out, full_page=True)
        browser.close()
    print(f"{out}: {out.stat().st_size // 1024} KiB")


def panel(port: int, view: views.View, began: float) -> str:
    lines: Lines = []
    for query, legend in view.queries:
        filled = views.filled(query, 'job=~".+", instance=~".+"', "20s")
        for one in ask(port, filled.replace("$__range", "10m"), began):
            points = [(float(t), float(v)) for t, v in one["values"] if math.isfinite(float(v))]
            lines.append((name(legend, one["metric"]), points))
    lines = [line for line in lines if line[1]]
    title = f"<figcaption>{html.escape(view.title)}</figcaption>"
    if not lines:
        missing = {"gpu": "no GPU here", "systemd": "not under systemd"}.get(view.needs or "", "—")
        return f"<figure>{title}<small>{missing}</small></figure>"
    if view.kind == "stat":
        shown = "".join(f"<b>{written(p[-1][1], view.unit)}</b> " for _, p in lines)
        return f"<figure>{title}{shown}</figure>"
    if view.kind == "heatmap":
        return f"<figure>{title}{heat(lines)}</figure>"
    legends = "".join(
        f'<small style="color:{COLOURS[i % 8]}">{html.escape(label or "seacod")} '
        f"{written(points[-1][1], view.unit)}</small>"
        for i, (label, points) in enumerate(lines[:8])
    )
    return f"<figure>{title}{plot(lines, view.most, began)}{legends}</figure>"


def name(legend: str, labels: dict[str, str]) -> str:
    for key, value in labels.items():
        legend = legend.replace("{{" + key + "}}", value)
    return legend.replace(labels.get("instance", "-"), "").strip()


def written(value: float, unit: str) -> str:
    if unit == "bytes":
        return f"{value / 2**30:.2f} GiB"
    if unit == "percentunit":
        return f"{100 * value:.1f} %"
    suffix = {"s": " s", "percent": " %", "reqps": "/s", "h": " h"}.get(unit, "")
    return f"{value:,.0f}{suffix}" if value >= 100 else f"{value:.3g}{suffix}"


def plot(
    lines: list[tuple[str, list[tuple[float, float]]]], most: float | None, began: float
) -> str:
    top = most or max(1e-9, *(v for _, points in lines for _, v in points)) * 1.1
    end = time.time()
    drawn = []
    for index, (_, points) in enumerate(lines):
        path, before = "", None
        for at, value in points:
            x = WIDTH * (at - began) / (end - began)
            y = HEIGHT - (HEIGHT - 4) * min(1.0, value / top) - 2
            path += f"{'M' if before is None or at - before > 10 else 'L'}{x:.1f} {y:.1f}"
            before = at
        drawn.append(
            f'<path d="{path}" fill="none" stroke="{COLOURS[index % 8]}" stroke-width="1.5"/>'
        )
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none">'
        f'<path d="M0 {HEIGHT - 1}H{WIDTH}" stroke="#e2e8f0"/>{"".join(drawn)}</svg>'
    )


def heat(lines: Lines) -> str:
    """Cumulative buckets as bands; darker for more."""
    bands = sorted(lines, key=lambda line: float(line[0].replace("+Inf", "inf")))
    count = len(bands[0][1])
    cells, most = [], 1e-9
    for i in range(count):
        below = 0.0
        for j, (_, points) in enumerate(bands):
            value = points[i][1] if i < len(points) else below
            cells.append((i, j, max(0.0, value - below)))
            below = value
            most = max(most, cells[-1][2])
    w, h = WIDTH / count, HEIGHT / len(bands)
    drawn = "".join(
        f'<rect x="{i * w:.1f}" y="{HEIGHT - (j + 1) * h:.1f}" width="{w:.1f}" height="{h:.1f}" '
        f'fill="#0d9488" opacity="{min(1.0, 0.1 + value / most):.2f}"/>'
        for i, j, value in cells
        if value
    )
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none">{drawn}</svg>'


if __name__ == "__main__":
    main()
