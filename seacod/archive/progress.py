"""How far an archive is: counts, speed by node, time left; for people, and for Prometheus."""

from __future__ import annotations

import collections
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from tqdm import tqdm

from seacod.system.text.terminal import in_language

# Where nobody watches a bar, a line now and then.
_LINE_SECONDS = 30.0


@dataclass(slots=True)
class Node:
    """One node's share. `audio_seconds` since `since`, on the monotonic clock."""

    since: float
    files: int = 0
    audio_seconds: float = 0.0


@dataclass(slots=True)
class ArchiveProgress:
    """What has become of the files so far.

    Args:
        total: files there are.
        total_bytes: of those whose size is known.
        clock: monotonic seconds.
    """

    total: int
    total_bytes: int
    clock: Callable[[], float] = time.monotonic
    states: collections.Counter[str] = field(default_factory=collections.Counter)
    audio_seconds: float = 0.0
    nodes: dict[str, Node] = field(default_factory=dict)
    deaths: int = 0
    _bytes: int = 0
    _heard_bytes: int = 0
    _heard_files: int = 0
    _began: float | None = None

    def joined(self, node: str) -> None:
        """Count an engine that is ready on this node."""
        now = self.clock()
        self._began = self._began if self._began is not None else now
        self.nodes.setdefault(node, Node(now))

    def left(self) -> None:
        """Count an engine that has died."""
        self.deaths += 1

    def over(
        self, state: str, size_bytes: int | None, *, node: str = "", audio_seconds: float = 0.0
    ) -> None:
        """Count a file that is done, failed, poison, or skipped because it was done before."""
        self.states[state] += 1
        self._bytes += size_bytes or 0
        if state == "skipped":
            return
        self._heard_bytes += size_bytes or 0
        self._heard_files += 1
        self.audio_seconds += audio_seconds
        if node in self.nodes:
            self.nodes[node].files += 1
            self.nodes[node].audio_seconds += audio_seconds

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the first engine was ready."""
        return 0.0 if self._began is None else self.clock() - self._began

    @property
    def hours_an_hour(self) -> float:
        """Hours of audio transcribed in an hour, by all nodes."""
        return self.audio_seconds / self.elapsed_seconds if self.elapsed_seconds > 0 else 0.0

    def node_hours_an_hour(self, name: str) -> float:
        """Hours of audio that one node has transcribed in an hour since it joined."""
        node = self.nodes[name]
        elapsed = self.clock() - node.since
        return node.audio_seconds / elapsed if elapsed > 0 else 0.0

    def seconds_left(self) -> float | None:
        """Estimated from the bytes that are left, or the files where sizes are not known; None
        before anything was heard."""
        if not self._heard_files:
            return None
        if self._heard_bytes:
            return self.elapsed_seconds * (self.total_bytes - self._bytes) / self._heard_bytes
        left = self.total - sum(self.states.values())
        return self.elapsed_seconds * left / self._heard_files

    def sentence(self) -> str:
        """The progress in one sentence for people."""
        count = sum(self.states.values())
        left = self.seconds_left()
        failed = self.states["failed"] + self.states["poison"]
        english = f"{count} of {self.total} files, {self.audio_seconds / 3600:.2f} h of audio"
        chinese = f"{count}/{self.total} 个文件，音频 {self.audio_seconds / 3600:.2f} 小时"
        if self.audio_seconds:
            english += f", {self.hours_an_hour:.0f} audio-hours an hour"
            chinese += f"，每小时处理 {self.hours_an_hour:.0f} 小时音频"
        if failed:
            english += f", {failed} without a text"
            chinese += f"，{failed} 个失败"
        if left is not None and count < self.total:
            english += f", {_span(left)} left"
            chinese += f"，剩余约 {_span(left)}"
        return in_language(english, chinese)


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes}:{rest:02} min"


class Teller:
    """Shows the progress: a bar on a terminal, lines elsewhere."""

    def __init__(self, progress: ArchiveProgress) -> None:
        self._progress = progress
        self._said_at = time.monotonic()
        self._bar: tqdm[None] | None = None
        if sys.stderr.isatty():
            self._bar = tqdm(total=progress.total, unit="file", bar_format="{bar} {postfix}")

    def tell(self) -> None:
        now = time.monotonic()
        if self._bar is not None:
            self._bar.n = sum(self._progress.states.values())
            self._bar.set_postfix_str(self._progress.sentence())
        elif now - self._said_at > _LINE_SECONDS:
            self._said_at = now
            print(self._progress.sentence(), file=sys.stderr, flush=True)  # noqa: T201

    def close(self) -> None:
        if self._bar is not None:
            self.tell()
            self._bar.close()


class ArchiveMetrics(Collector):
    """The progress as Prometheus reads it."""

    def __init__(self, progress: ArchiveProgress) -> None:
        self._progress = progress

    def collect(self) -> Iterable[Metric]:
        progress = self._progress
        files = CounterMetricFamily(
            "seacod_bulk_files",
            "Files of the archive that are finished, by state",
            labels=["state"],
        )
        for state in ("done", "skipped", "failed", "poison"):
            files.add_metric([state], progress.states[state])
        yield files
        yield GaugeMetricFamily(
            "seacod_bulk_files_left", "Files of the archive that are to be transcribed",
            value=progress.total - sum(progress.states.values()),
        )  # fmt: skip
        yield CounterMetricFamily(
            "seacod_bulk_engine_deaths", "Engines that died and were restarted",
            value=progress.deaths,
        )  # fmt: skip
        speed = GaugeMetricFamily(
            "seacod_bulk_audio_hours_per_hour", "Hours of audio transcribed an hour, by node",
            labels=["node"],
        )  # fmt: skip
        audio = CounterMetricFamily(
            "seacod_bulk_audio_seconds", "Seconds of audio transcribed, by node", labels=["node"]
        )
        for name, node in progress.nodes.items():
            speed.add_metric([name], progress.node_hours_an_hour(name))
            audio.add_metric([name], node.audio_seconds)
        yield speed
        yield audio


def registry(progress: ArchiveProgress) -> CollectorRegistry:
    """The metrics for a page that Prometheus scrapes."""
    made = CollectorRegistry()
    made.register(ArchiveMetrics(progress))
    return made


def summary(progress: ArchiveProgress) -> dict[str, Any]:
    """What became of all files, as plain values for JSON."""
    return {
        "files": dict(progress.states),
        "audio_seconds": round(progress.audio_seconds, 1),
        "seconds": round(progress.elapsed_seconds, 1),
        "audio_hours_per_hour": round(progress.hours_an_hour, 1),
        "engine_deaths": progress.deaths,
        "nodes": {
            name: {
                "files": node.files,
                "audio_seconds": round(node.audio_seconds, 1),
                "audio_hours_per_hour": round(progress.node_hours_an_hour(name), 1),
            }
            for name, node in progress.nodes.items()
        },
    }
