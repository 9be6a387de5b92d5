"""Why a service gave no answer, and when to ask again. Decides only; nobody waits here."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

from seacod.errors import NotRunning, SeacodError
from seacod.system.text.words import Words

# Where a service that is busy does not say for how long.
_BUSY_SECONDS = 5


class Unreachable(NotRunning):
    """Nobody took the connection: the service does not run there."""

    def __init__(self, url: str, cause: Words) -> None:
        super().__init__(
            f"no seacod answers at {url} ({cause[0]})", f"{url} 没有响应（{cause[1]}）"
        )
        self.cause = cause


class BrokenOff(SeacodError, code="broken_off"):
    """The connection broke, or nothing came for too long, before the answer was complete. What was
    asked for may have been done."""

    def __init__(self, cause: Words, times: int = 1) -> None:
        often, often_zh = (f" {times} times", f" {times} 次") if times > 1 else ("", "")
        super().__init__(
            f"the connection broke off{often} ({cause[0]})", f"连接中断{often_zh}（{cause[1]}）"
        )
        self.cause = cause


class NoSeacod(SeacodError, code="no_seacod"):
    """What answers is not seacod."""


class Refused(SeacodError, code="refused"):
    """The service said why there will be no answer, in its sentence.

    Args:
        message, chinese: the sentence.
        status: of HTTP; see docs/api.md.
        reason: the `code` of its error, such as too_long; empty if there is none.
        retry_after_seconds: when to come back, where that was said.
    """

    def __init__(
        self, message: str, chinese: str, status: int, reason: str = "",
        retry_after_seconds: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message, chinese, retry_after_seconds=retry_after_seconds)
        self.status = status
        self.reason = reason


class Busy(Refused, code="busy"):
    """Not now (503): the queue is full, or no worker serves; `retry_after_seconds` says when."""


def refusal(status: int, body: bytes, retry_after: str = "") -> Refused:
    """What an answer with an error status says.

    Args:
        status: of HTTP; 0 for the one in the body.
        body: in the one shape of errors, or anything.
        retry_after: the header, where there is one.
    """
    try:
        error = json.loads(body)["error"]
        message = str(error["message"])
        # Of a service that has it in one language only.
        chinese = str(error.get("message_zh") or message)
        status = status or int(error["status"])
    except (ValueError, KeyError, TypeError):
        error, said = {}, body.decode("utf-8", "replace")[:200]
        message, chinese = f"answered {status}: {said}", f"返回 {status}：{said}"
    reason = str(error.get("code") or "")
    after = str(error.get("retry_after_seconds") or retry_after)
    seconds = int(after) if after.isdecimal() and len(after) < 10 else None
    if status != 503:
        return Refused(message, chinese, status, reason, seconds)
    return Busy(message, chinese, 503, reason, _BUSY_SECONDS if seconds is None else seconds)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """For how long to insist on an answer.

    Args:
        patience_seconds: for one request, all tries and pauses together.
        tries: how often a request is sent that breaks off.
        waits_for_start: a service that does not run is called again and again, too.
        pause_seconds: between such tries.
        longest_pause_seconds: of what a busy service asks for.
    """

    patience_seconds: float = 900.0
    tries: int = 3
    waits_for_start: bool = False
    pause_seconds: float = 2.0
    longest_pause_seconds: float = 60.0


# For people, who would do the same.
PATIENT = RetryPolicy()
# For those who want to see each failure.
NEVER = RetryPolicy(patience_seconds=0.0, tries=1)


@dataclass(slots=True)
class RequestAttempts:
    """The tries of one request.

    Args:
        policy: how long to insist.
        is_repeatable: whether it may be sent again, though it may have been done.
    """

    policy: RetryPolicy
    is_repeatable: bool = True
    _began: float = field(default_factory=time.monotonic)
    _broken: int = 0

    def pause_after(self, error: SeacodError) -> float:
        """How many seconds to wait before the next try.

        Raises:
            SeacodError: there is none: the error itself.
        """
        policy, pause = self.policy, self.policy.pause_seconds
        if isinstance(error, Busy):
            pause = min(float(error.retry_after_seconds or 0), policy.longest_pause_seconds)
        elif isinstance(error, BrokenOff):
            self._broken += 1
            if self._broken >= policy.tries or not self.is_repeatable:
                raise BrokenOff(error.cause, self._broken) from None
        elif not (isinstance(error, Unreachable) and policy.waits_for_start):
            raise error
        if time.monotonic() + pause > self._began + policy.patience_seconds:
            raise error
        return pause
