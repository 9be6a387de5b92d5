#!/usr/bin/env python3
"""What the page costs: first paint, what is fetched and what moves; the text of an hour; 50 open
pages; memory over thousands of page loads.

    .venv/bin/python tools/measure_page.py          # about half an hour on two cores
    .venv/bin/python tools/measure_page.py --first  # the first visits alone: half a minute
    .venv/bin/python tools/measure_page.py --hour   # the text of an hour alone: a minute

A real Chromium against a service of its own with the built-in model. Writes docs/bench/page.json
and page.svg. Needs Chromium (Debian: chromium).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import statistics
import time
import urllib.request
from pathlib import Path
from typing import Any

import psutil
from page.hour import an_hour
from playwright.sync_api import Browser, sync_playwright

from seacod.proving.service import PrivateService, free_port, private_service

ROOT = Path(__file__).resolve().parents[1]
SPEECH = ROOT / "seacod/models/builtin/examples/sentence-1.flac"
ARGUMENTS = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking".split()
READY = "#sc-tab-single[data-seacod=ready]"
SAMPLE_EVERY = 20
# A browser of its own remembers; a new one now and then keeps its own memory out of the way.
CONTEXT_LOADS = 100
IDLE_SECONDS = 60.0


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--loads", type=int, default=2000)
    parser.add_argument("--transcriptions", type=int, default=500)
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--first", action="store_true", help="the first visits alone")
    parser.add_argument("--hour", action="store_true", help="the text of an hour alone")
    parser.add_argument("--out", type=Path, default=ROOT / "docs/bench")
    options = parser.parse_args()
    is_all = not (options.first or options.hour)
    metrics = free_port()
    found: dict[str, Any] = {}
    with (
        private_service("builtin", metrics={"port": metrics})
        as service,
        sync_playwright() as playwright,
    ):  # fmt: skip
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=ARGUMENTS
        )
        service.wait_for_nursery()
        if is_all or options.first:
            found["paint"] = paint(browser, service.url)
            print(json.dumps(found["paint"]), flush=True)
        if is_all or options.hour:
            found["hour"] = an_hour(browser, service)
            print(json.dumps(found["hour"]), flush=True)
        if is_all:
            found["open_pages"] = open_pages(browser, service, metrics, options.pages)
            print(json.dumps(found["open_pages"]), flush=True)
            found["memory"] = memory(browser, service, options.loads, options.transcriptions)
            print({k: v for k, v in found["memory"].items() if k != "points"}, flush=True)
            (options.out / "page.svg").write_text(chart(found["memory"]))
        browser.close()
    written = options.out / "page.json"
    known = json.loads(written.read_text("utf-8")) if written.exists() else {}
    written.write_text(json.dumps({**known, **found}, indent=1) + "\n")


# Asked for before the page is there; a shift that somebody's click made is none.
SHIFTS = """window.shifts = 0; new PerformanceObserver((list) => {
  for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifts += one.value;
}).observe({type: "layout-shift", buffered: true});"""


def paint(browser: Browser, url: str) -> dict[str, Any]:
    """Fresh browsers with empty caches, of a desk and of a phone, in both languages: first
    contentful paint, when the tab can be used, what is fetched, and how much of it moves; and what
    a second visit fetches."""
    # The first one also starts processes of the browser.
    visits = [_visits(browser, url, number) for number in range(13)][1:]
    first, again = zip(*visits, strict=True)
    paints, usable = [one["first_paint"] for one in first], [one["usable"] for one in first]
    return {
        "first_paint_seconds": {"median": statistics.median(paints), "max": max(paints)},
        "usable_seconds": {"median": statistics.median(usable), "max": max(usable)},
        "layout_shift": max(one["shift"] for one in first),
        "first_visit": {name: max(one[name] for one in first) for name in ("requests", "bytes")},
        "second_visit": {name: max(one[name] for one in again) for name in ("requests", "bytes")},
    }


def _visits(browser: Browser, url: str, number: int) -> list[dict[str, float]]:
    """Two visits of one browser."""
    context = browser.new_context(
        locale=("zh-CN", "en-US")[number % 2],
        viewport={"width": (1440, 390)[number // 2 % 2], "height": 850},
    )
    context.add_init_script(SHIFTS)
    page = context.new_page()
    network = context.new_cdp_session(page)
    network.send("Network.enable")
    fetched: list[int] = []
    network.on("Network.loadingFinished", lambda one: fetched.append(one["encodedDataLength"]))
    found = []
    for address in (url, f"{url}/?again"):
        fetched.clear()
        began = time.monotonic()
        page.goto(address)
        page.wait_for_selector(READY)
        usable = time.monotonic() - began
        page.wait_for_timeout(1000)
        paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        found.append(
            {
                "first_paint": page.evaluate(paint) / 1000,
                "usable": usable,
                "shift": round(page.evaluate("window.shifts"), 4),
                # What a browser takes from its cache has no bytes.
                "requests": len([one for one in fetched if one]),
                "bytes": int(sum(fetched)),
            }
        )
    context.close()
    return found


def open_pages(
    browser: Browser, service: PrivateService, metrics: int, count: int
) -> dict[str, Any]:
    """What the service does while nobody does anything, without pages and with many."""
    without = idle(service, metrics)
    context = browser.new_context(locale="zh-CN")
    for _ in range(count):
        page = context.new_page()
        page.goto(service.url)
        page.wait_for_selector(READY)
    with_pages = idle(service, metrics)
    context.close()
    return {"pages": count, "without": without, "with": with_pages}


def idle(service: PrivateService, metrics: int) -> dict[str, float]:
    time.sleep(3)
    worker = psutil.Process(service.status()["worker"]["pid"])
    before = (busy(worker), *inference(metrics))
    time.sleep(IDLE_SECONDS)
    after = (busy(worker), *inference(metrics))
    return {
        "worker_cpu_percent": round(100 * (after[0] - before[0]) / IDLE_SECONDS, 2),
        "inference_seconds": round(after[1] - before[1], 6),
        "batches": after[2] - before[2],
    }


def busy(worker: psutil.Process) -> float:
    times = [one.cpu_times() for one in (worker, *worker.children(recursive=True))]
    return sum(t.user + t.system for t in times)


def inference(port: int) -> tuple[float, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        text = answer.read().decode()

    def value(name: str) -> float:
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    return value("asr_inference_seconds_total"), value("asr_batches_total")


def memory(
    browser: Browser, service: PrivateService, loads: int, transcriptions: int
) -> dict[str, Any]:
    """The worker's resident memory over page loads, every n-th with a transcription."""
    every = max(1, loads // transcriptions)
    worker = psutil.Process(service.status()["worker"]["pid"])
    points, done = [], 0
    context = browser.new_context(locale="zh-CN")
    for number in range(loads):
        if number % CONTEXT_LOADS == 0:
            context.close()
            context = browser.new_context(locale="zh-CN")
            page = context.new_page()
        page.goto(service.url)
        page.wait_for_selector(READY)
        if number % every == 0 and done < transcriptions:
            page.set_input_files("#sc-file", SPEECH)
            page.wait_for_function("!document.querySelector('#sc-play').disabled")
            page.click("#sc-recognise")
            page.wait_for_selector("#sc-details .sc-facts")
            done += 1
        if number % SAMPLE_EVERY == 0:
            points.append((number, worker.memory_info().rss))
    context.close()
    half = [point for point in points if point[0] >= loads / 2]
    slope = statistics.linear_regression([x for x, _ in half], [y for _, y in half]).slope
    with contextlib.suppress(psutil.Error):
        points.append((loads, worker.memory_info().rss))
    return {
        "loads": loads,
        "transcriptions": done,
        "first_bytes": points[0][1],
        "last_bytes": points[-1][1],
        "max_bytes": max(y for _, y in points),
        "slope_of_second_half_bytes_per_load": round(slope, 1),
        "worker_restarts": service.status()["restarts"]["count"],
        "points": points,
    }


def chart(found: dict[str, Any]) -> str:
    """Memory over page loads, as SVG."""
    points = found["points"]
    most = max(y for _, y in points) * 1.15
    left, top, width, height = 70, 40, 560, 240

    def place(x: float, y: float) -> str:
        return f"{left + width * x / found['loads']:.1f},{top + height * (1 - y / most):.1f}"

    line = " ".join(place(x, y) for x, y in points)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="660" height="330" '
        'font-family="system-ui, sans-serif" font-size="12">',
        '<rect width="660" height="330" fill="white"/>',
        f'<text x="{left}" y="22" font-size="14">Resident memory of the worker, MB, over '
        f"{found['loads']} page loads and {found['transcriptions']} transcriptions</text>",
    ]
    for mark in range(0, int(most / 1e6), 200):
        y = top + height * (1 - mark * 1e6 / most)
        parts.append(
            f'<path d="M{left} {y:.1f}H{left + width}" stroke="#e2e8f0"/>'
            f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{mark}</text>'
        )
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(
            f'<text x="{left + width * share:.1f}" y="{top + height + 20}" '
            f'text-anchor="middle">{found["loads"] * share:.0f}</text>'
        )
    parts.append(f'<polyline points="{line}" fill="none" stroke="#0f766e" stroke-width="2"/>')
    return "\n".join([*parts, "</svg>", ""])


if __name__ == "__main__":
    main()
