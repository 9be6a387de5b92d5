"""What the worker's beats say about its requests that somebody should hear: arithmetic only.

A condition is told when it begins and when it ends, and once when it is first seen not to be there:
a supervisor before this one may have told of it. No requests is no condition.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass

from seacod.config.alerts import AlertSettings
from seacod.protocol import Beat

# Wrong passwords are counted over so long.
_LOGINS_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class TrafficFinding:
    """A condition that has just begun or ended; `is_first` where nothing was known of it before."""

    kind: str
    has_begun: bool
    english: str
    chinese: str
    is_first: bool = False


class TrafficRules:
    """Keeps what the beats of the worker in front said lately."""

    def __init__(self) -> None:
        self._pid: int | None = None
        self._last = (0, 0)
        # Times with what was answered and failed since the beat before.
        self._window: collections.deque[tuple[float, int, int]] = collections.deque()
        # The same of wrong passwords.
        self._wrong: collections.deque[tuple[float, int]] = collections.deque()
        self._last_wrong = 0
        # Since when a condition has lasted that is told only if it lasts, by its kind.
        self._since: dict[str, float] = {}
        # Whether each is there, once that is known.
        self._on: dict[str, bool] = {}
        self._began_at: float | None = None

    def beat(
        self, now: float, pid: int, beat: Beat, queue_length: int, settings: AlertSettings
    ) -> list[TrafficFinding]:
        """One beat.

        Args:
            now: seconds, monotonic.
            pid: of the worker; another one counts anew.
            beat: what it said.
            queue_length: limits.queue_length.
            settings: the limits of the rules.
        """
        if self._began_at is None:
            self._began_at = now
        return [
            finding
            for finding in (
                # First: the next one remembers whose beat it was.
                self._wrong_logins(now, pid, beat, settings),
                self._error_rate(now, pid, beat, settings),
                self._queue_full(now, beat, queue_length, settings),
                self._crowded(now, beat, settings),
                self._stalled(beat, settings),
            )
            if finding is not None
        ]

    def _error_rate(
        self, now: float, pid: int, beat: Beat, settings: AlertSettings
    ) -> TrafficFinding | None:
        if pid != self._pid:
            self._pid, self._last = pid, (0, 0)
        answered, failed = beat.answered - self._last[0], beat.failed - self._last[1]
        self._last = (beat.answered, beat.failed)
        if answered or failed:
            self._window.append((now, answered, failed))
        while self._window and now - self._window[0][0] > settings.error_rate_window_seconds:
            self._window.popleft()
        bad = sum(entry[2] for entry in self._window)
        total = bad + sum(entry[1] for entry in self._window)
        ratio = bad / total if total >= settings.error_rate_min_requests else 0.0
        minutes = settings.error_rate_window_seconds / 60
        return self._edge(
            "error_rate",
            ratio > settings.error_rate_ratio,
            f"{bad} of {total} requests within {minutes:g} min failed on our side ({ratio:.0%}).",
            f"最近 {minutes:g} 分钟内 {total} 个请求中有 {bad} 个在服务端失败（{ratio:.0%}）。",
            is_known=total >= settings.error_rate_min_requests
            or self._looks_for(now) >= settings.error_rate_window_seconds,
        )

    def _wrong_logins(
        self, now: float, pid: int, beat: Beat, settings: AlertSettings
    ) -> TrafficFinding | None:
        fresh = beat.wrong_logins - (self._last_wrong if pid == self._pid else 0)
        self._last_wrong = beat.wrong_logins
        if fresh:
            self._wrong.append((now, fresh))
        while self._wrong and now - self._wrong[0][0] > _LOGINS_SECONDS:
            self._wrong.popleft()
        count = sum(entry[1] for entry in self._wrong)
        # Once begun, it goes on until there is none any more.
        is_on = count > (0 if self._on.get("logins") else settings.wrong_logins - 1)
        minutes = _LOGINS_SECONDS / 60
        return self._edge(
            "logins",
            is_on and settings.wrong_logins > 0,
            f"{count} logins within {minutes:g} min had a wrong password or were refused after too "
            "many of them; the log has their addresses (login_refused).",
            f"最近 {minutes:g} 分钟内有 {count} 次登录密码错误或因错误过多被拒绝，"
            "来源地址见日志（login_refused）。",
            is_known=self._looks_for(now) >= _LOGINS_SECONDS or settings.wrong_logins == 0,
        )

    def _queue_full(
        self, now: float, beat: Beat, queue_length: int, settings: AlertSettings
    ) -> TrafficFinding | None:
        is_full = beat.queue_depth >= queue_length
        full_for = self._lasted("queue_full", now, is_so=is_full)
        return self._edge(
            "queue_full",
            is_full and full_for >= settings.queue_full_seconds,
            f"{beat.queue_depth} requests have been waiting, which is the limit, for "
            f"{full_for:.0f} s; more are answered 503.",
            f"队列已有 {beat.queue_depth} 个请求（达到上限），持续 {full_for:.0f} 秒，"
            "新请求返回 503。",
            is_known=not is_full,
        )

    def _crowded(self, now: float, beat: Beat, settings: AlertSettings) -> TrafficFinding | None:
        crowded_for = self._lasted("crowded", now, is_so=beat.is_crowded)
        return self._edge(
            "crowded",
            beat.is_crowded and crowded_for >= settings.queue_full_seconds,
            f"For {crowded_for:.0f} s now connections have been turned away, or idle ones closed "
            "to make room.",
            f"连接数已达上限 {crowded_for:.0f} 秒：新连接被拒绝，或空闲连接被关闭以腾出位置。",
            is_known=not beat.is_crowded,
        )

    def _stalled(self, beat: Beat, settings: AlertSettings) -> TrafficFinding | None:
        age = beat.progress_age_seconds
        return self._edge(
            "stalled",
            beat.queue_depth > 0 and age >= settings.stalled_seconds,
            f"{beat.queue_depth} requests are waiting and the model has finished nothing for "
            f"{age:.0f} s.",
            f"有 {beat.queue_depth} 个请求在等待，而模型已 {age:.0f} 秒没有完成任何片段。",
        )

    def _looks_for(self, now: float) -> float:
        """For how many seconds beats have been looked at."""
        return now - (now if self._began_at is None else self._began_at)

    def _lasted(self, kind: str, now: float, *, is_so: bool) -> float:
        """For how many seconds a condition has lasted."""
        if not is_so:
            self._since.pop(kind, None)
            return 0.0
        return now - self._since.setdefault(kind, now)

    def _edge(
        self, kind: str, is_on: bool, english: str, chinese: str, *, is_known: bool = True
    ) -> TrafficFinding | None:
        """
        Args:
            is_known: whether enough was seen to say that the condition is not there, of which
                nothing is known yet.
        """
        before = self._on.get(kind)
        if is_on == before or (before is None and not is_on and not is_known):
            return None
        self._on[kind] = is_on
        if is_on:
            return TrafficFinding(kind, True, english, chinese, before is None)
        return TrafficFinding(kind, False, "It is over.", "已恢复正常。", before is None)
