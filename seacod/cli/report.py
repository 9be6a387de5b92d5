"""`seacod report`: the slowest requests of a while and where their time went, from the log.

Reads what the worker wrote for each request (`transcribed`, `not_transcribed`): the log file where
one is configured, with all that logrotate has put aside, and the journal of the unit for what is
older than that.
"""

from __future__ import annotations

import argparse
import datetime
import gzip
import json
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seacod.cli.options import add_config, add_json
from seacod.config.load import load_settings
from seacod.errors import EX_OK, BadRequest, NotRunning
from seacod.proving.statistics import quantile
from seacod.system.text.terminal import date_and_time, padded, print_words, printable
from seacod.system.text.terminal import in_language as say
from seacod.system.text.words import reason

HELP = "the slowest requests, and where their time went"
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_EVENTS = ("transcribed", "not_transcribed")
# Where a request's time can go: the field of the log, and in words.
_STAGES = {
    "queue_seconds": ("waiting in the queue", "排队"),
    "decoding_seconds": ("decoding", "解码"),
    "voice_seconds": ("finding speech", "查找语音"),
    "inference_seconds": ("the model", "模型"),
}
_HEADS = (
    ("when", "时间"),
    ("took", "用时"),
    ("audio", "音频"),
    ("factor", "实时率"),
    ("request", "请求"),
    ("why", "原因"),
)
_REST = ("waiting for the model", "等待模型")
_UNIT = "seacod"
# A log that begins so soon after the time that was asked for says it all.
_CLOSE_SECONDS = 60.0
# What logrotate appends: a number, or with dateext a day and perhaps an hour.
_ROTATED = re.compile(r"[.-]\d+(-\d+)?(\.gz)?")


@dataclass(frozen=True, slots=True)
class Request:
    """One request of the log; times in seconds."""

    at: float
    fields: dict[str, Any]

    @property
    def seconds(self) -> float:
        """How long it took from the upload's last byte to the answer."""
        return float(self.fields.get("seconds") or 0.0)

    @property
    def outcome(self) -> str:
        return str(self.fields.get("outcome", "text"))

    def stages(self) -> dict[str, float]:
        """Seconds by the stage's field in the log; what is left over (`other`) is waiting for the
        model and putting together."""
        known = {name: float(self.fields.get(name) or 0.0) for name in _STAGES}
        return {**known, "other": max(0.0, self.seconds - sum(known.values()))}

    def why(self) -> tuple[str, str]:
        """Where most of its time went, in words, and in Chinese; of one that failed, what was
        said."""
        if "queue_seconds" not in self.fields:
            said = str(self.fields.get("said") or self.outcome)
            return said, str(self.fields.get("said_zh") or said)
        stages = self.stages()
        most = max(stages, key=lambda name: stages[name])
        share = stages[most] / self.seconds if self.seconds else 0.0
        english, chinese = _STAGES.get(most, _REST)
        return (
            f"{share:.0%} {english} ({stages[most]:.2f} s)",
            f"{share:.0%} {chinese}（{stages[most]:.2f} 秒）",
        )


class LogSpan:
    """From when on a log says something."""

    def __init__(self) -> None:
        self.earliest: float | None = None

    def seen(self, at: float) -> None:
        self.earliest = at if self.earliest is None else min(self.earliest, at)


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", default="1h", help="how far back: 30m, 1h, 2d (1h)")
    parser.add_argument("--log", type=Path, help="log file; default: log.file, else the journal")
    parser.add_argument("--count", type=int, default=10, help="how many (10)")
    add_json(parser)
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Print the slowest requests.

    Raises:
        BadRequest: `--since` is no length of time.
        NotRunning: there is neither file nor journal.
    """
    count = max(1, options.count)
    from_time = datetime.datetime.now().timestamp() - seconds_of(options.since)
    span = LogSpan()
    found = sorted(_read(options, from_time, span), key=lambda one: -one.seconds)
    if options.json:
        body = [{"at": one.at, "why": one.why()[0], **one.fields} for one in found[:count]]
        told = {"requests": len(found), "known_since": span.earliest, "slowest": body}
        print(json.dumps(told, ensure_ascii=False))
        return EX_OK
    if span.earliest is not None and span.earliest > from_time + _CLOSE_SECONDS:
        begins = date_and_time(span.earliest)
        print_words(f"(the log begins at {begins})", f"（日志始于 {begins}）")
    _print(found, count, options.since)
    if span.earliest is None:
        print_words(
            "(the log has nothing at all of that time; a service that was started by hand logs to "
            "its terminal, unless log.file names a file)",
            "（该时段没有任何日志；手动启动的服务将日志输出到终端，除非设置了 log.file）",
        )
    return EX_OK


def _read(options: argparse.Namespace, from_time: float, span: LogSpan) -> list[Request]:
    """From the file that is named, else the configured one, and from the journal what that does not
    reach back to."""
    if options.log is not None:
        return list(requests(_files(options.log), from_time, span))
    configured: Path | None = load_settings(options.config).log.file
    if configured is None:
        return list(requests(_journal(from_time), from_time, span))
    found = list(requests(_files(configured), from_time, span))
    begins = span.earliest
    if shutil.which("journalctl") is not None and (begins is None or begins > from_time):
        try:
            older = list(requests(_journal(from_time), from_time, span))
        except NotRunning:
            if begins is None:
                raise
            return found  # and it is told when the log begins
        found += [one for one in older if begins is None or one.at < begins]
    return found


def seconds_of(text: str) -> float:
    """How many seconds a length of time such as 30s, 15m, 1h or 2d has.

    Raises:
        BadRequest: it is none of these.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text)
    if match is None:
        raise BadRequest(
            f"--since {text}: write a number and s, m, h or d, such as 1h",
            f"--since {text}：请写数字加 s、m、h 或 d，例如 1h",
        )
    return float(match[1]) * _UNITS[match[2]]


def requests(
    lines: Iterable[str], from_time: float, span: LogSpan | None = None
) -> Iterator[Request]:
    """What the lines say of requests; lines that are something else are passed over.

    Args:
        lines: of a log or of the journal.
        from_time: Unix seconds; what is older is passed over.
        span: is told the times of all lines.
    """
    for line in lines:
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        if not isinstance(fields, dict):
            continue
        fields = _from_journal(fields) if "MESSAGE" in fields else fields
        at = _time(fields)
        if at is not None and span is not None:
            span.seen(at)
        if fields.get("event") not in _EVENTS:
            continue
        if at is not None and at >= from_time:
            yield Request(at, fields)


def _print(found: list[Request], count: int, since: str) -> None:
    if not found:
        print_words(f"no request in the last {since}", f"最近 {since} 内没有请求")
        return
    print(_summary(found, since), end="\n\n")
    print(_row(*(say(*head) for head in _HEADS)))
    for one in found[:count]:
        audio = one.fields.get("audio_seconds")
        factor = one.fields.get("real_time_factor")
        print(
            _row(
                date_and_time(one.at),
                f"{one.seconds:.2f}s",
                "—" if audio is None else f"{float(audio):.1f}s",
                "—" if factor is None else f"{float(factor):.3f}",
                str(one.fields.get("request_id", ""))[:16],
                say(*one.why()),
            )
        )


def _summary(found: list[Request], since: str) -> str:
    failed = Counter(one.outcome for one in found if one.outcome != "text")
    answered = [one.seconds for one in found if one.outcome == "text"]
    times = ""
    if answered:
        p50, p95 = quantile(answered, 0.5), quantile(answered, 0.95)
        times = f"P50 {p50:.2f} s, P95 {p95:.2f} s"
    parts = (f"{number} {outcome}" for outcome, number in sorted(failed.items()))
    return say(
        f"{len(found)} requests in the last {since}: {len(answered)} answered"
        + (f" ({times})" if times else ""),
        f"最近 {since} 内有 {len(found)} 个请求，成功 {len(answered)} 个"
        + (f"（{times}）" if times else ""),
    ) + "".join(say(f", {one}", f"，{one}") for one in parts)


def _row(when: str, took: str, audio: str, factor: str, request: str, why: str) -> str:
    return "  ".join(
        (
            padded(when, 19),
            padded(took, 8, is_right=True),
            padded(audio, 8, is_right=True),
            padded(factor, 6, is_right=True),
            padded(printable(request), 16),
            printable(why),
        )
    )


def _files(path: Path) -> Iterator[str]:
    """The file, and all that logrotate has put aside of it.

    Raises:
        NotRunning: there is none of them, or one cannot be read.
    """
    aside = [one for one in path.parent.glob(f"{path.name}*") if _is_of(one, path)]
    if not path.exists() and not aside:
        raise NotRunning(
            f"{path}: there is no such log; see log.file in the configuration",
            f"{path}：没有该日志；请查看配置中的 log.file",
        )
    for one in (*sorted(aside), path):
        yield from _lines(one)


def _is_of(one: Path, path: Path) -> bool:
    return _ROTATED.fullmatch(one.name.removeprefix(path.name)) is not None


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as file:
            is_packed = file.read(2) == b"\x1f\x8b"
        reading = gzip.open if is_packed else open
        with reading(path, "rt", encoding="utf-8", errors="replace") as lines:
            yield from lines
    except FileNotFoundError:
        return  # it was rotated meanwhile, or never written
    except (OSError, EOFError) as error:
        why, chinese = reason(error)
        raise NotRunning(f"{path}: cannot be read: {why}", f"{path}：无法读取：{chinese}") from None


def _journal(from_time: float) -> Iterator[str]:
    program = shutil.which("journalctl")
    if program is None:
        raise NotRunning(
            "there is no journal on this machine; give a log file with --log",
            "本机没有 journal；请用 --log 指定日志文件",
        )
    command = [
        program,
        "-u",
        _UNIT,
        "--since",
        f"@{max(0, int(from_time))}",
        "-o",
        "json",
        "--no-pager",
    ]
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as words,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=words, text=True, errors="replace"
        ) as process,
    ):
        assert process.stdout is not None
        yield from process.stdout
        if process.wait():
            words.seek(0)
            said = " ".join(words.read().split()) or f"exit {process.returncode}"
            raise NotRunning(
                f"the journal cannot be read: {said} (root and the group systemd-journal may)",
                f"无法读取 journal：{said}（root 与 systemd-journal 组可以读取）",
            )


def _from_journal(entry: dict[str, Any]) -> dict[str, Any]:
    """Fields as the log file has them; the journal has only text, in names of its own."""
    fields: dict[str, Any] = {}
    for name, value in entry.items():
        if not name.startswith("SEACOD_"):
            continue
        key = name.removeprefix("SEACOD_").lower()
        try:
            # An id may look like a number; it is none.
            fields[key] = value if key == "request_id" else json.loads(value)
        except (ValueError, TypeError):
            fields[key] = value
    at = entry.get("__REALTIME_TIMESTAMP")
    return {**fields, "at": float(at) / 1e6} if at else fields


def _time(fields: dict[str, Any]) -> float | None:
    if "at" in fields:
        return float(fields["at"])
    try:
        return datetime.datetime.fromisoformat(str(fields.get("timestamp"))).timestamp()
    except ValueError:
        return None
