"""Places of recordings that cannot be used: since when, why, and when an operator is told.

Reading and writing are apart: from a place that is full or closed to writing, recordings are still
fetched, and deleted, which makes room. What ends a trouble has to be what it was about: a look for
reading; for writing a recording that was taken, or something as big as what was refused.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from seacod.errors import SeacodError, StorageFull
from seacod.system.text.words import Words

log = structlog.get_logger(__name__)

# A place that cannot be used for so long is told.
_TOLD_SECONDS = 30.0
# Without a refusal for so long, something that was written there to try it ends the trouble.
_QUIET_SECONDS = 60.0
# Nobody who has no room is sent more to see whether there is some.
_MOST_TRIED_BYTES = 64 << 20


class Side(enum.Enum):
    """What cannot be done."""

    READ = "read"
    WRITE = "write"


@dataclass(slots=True)
class Trouble:
    """Times are of the monotonic clock.

    Args:
        since: when it began.
        refused: when somebody was refused for it last, or something was tried in vain.
        why: what the place said last.
        lacking_bytes: for which there was no room; 0 where room is not what is missing.
        is_told: whether somebody was told.
    """

    since: float
    refused: float
    why: Words
    lacking_bytes: int = 0
    is_told: bool = False

    @property
    def is_quiet(self) -> bool:
        """Whether nobody was refused for a while."""
        return time.monotonic() - self.refused >= _QUIET_SECONDS


class PlaceTroubles:
    """What one worker knows of places that cannot be used.

    Args:
        on_trouble: told an alert: English, Chinese, and whether it is over.
    """

    def __init__(self, on_trouble: Callable[[str, str, bool], None]) -> None:
        self._on_trouble = on_trouble
        self._open: dict[tuple[str, Side], Trouble] = {}
        # The worker before may have told of one, and this one says that it is over.
        self._may_be_told = True

    @property
    def roots(self) -> set[str]:
        return {root for root, _ in self._open}

    @property
    def unreadable(self) -> set[str]:
        """Places of which nothing can be read at present."""
        return {root for root, side in self._open if side is Side.READ}

    def of(self, root: str, side: Side) -> Trouble | None:
        return self._open.get((root, side))

    def failed(
        self,
        root: str,
        side: Side,
        error: SeacodError,
        size_bytes: int = 0,
        is_refusal: bool = True,
    ) -> None:
        """It could not be used.

        Args:
            root: the place.
            side: what could not be done.
            error: what it said.
            size_bytes: of what it did not take.
            is_refusal: False where it was only tried.
        """
        now = time.monotonic()
        trouble = self._open.get((root, side))
        if trouble is None:
            log.error("recordings_place_unusable", place=root, side=side.value, error=error.message)
            trouble = self._open[root, side] = Trouble(now, now, error.words)
        trouble.why = error.words
        is_full = isinstance(error, StorageFull)
        if is_full:
            size_bytes = min(max(size_bytes, 1), _MOST_TRIED_BYTES)
            trouble.lacking_bytes = max(trouble.lacking_bytes, size_bytes)
        if is_refusal or is_full:
            trouble.refused = now
        self._tell_in_time(trouble)

    def tell_full(self) -> None:
        """What has no room is told in its time, whether or not others are refused meanwhile."""
        for trouble in self._open.values():
            if trouble.lacking_bytes:
                self._tell_in_time(trouble)

    def ended(self, root: str, side: Side) -> None:
        """It can be done again."""
        was_open = self._open.pop((root, side), None) is not None
        if was_open:
            log.info("recordings_place_usable", place=root, side=side.value)
        # One that can be read alone may have been told because it was full.
        if was_open or side is Side.WRITE:
            self.went_well()

    def went_well(self) -> None:
        """A place can be used; says so to whoever was told otherwise, and has no other trouble."""
        if self._may_be_told and not self._open:
            self._may_be_told = False
            self._on_trouble(
                "The place of the recordings of batches can be used again.",
                "批量任务录音的存放位置已恢复可用。", True,
            )  # fmt: skip

    def _tell_in_time(self, trouble: Trouble) -> None:
        if trouble.is_told or time.monotonic() - trouble.since < _TOLD_SECONDS:
            return
        trouble.is_told = self._may_be_told = True
        self._on_trouble(
            "Batches with big recordings wait or are refused, the place of these cannot be used: "
            f"{trouble.why[0]}",
            f"含大录音的批量任务暂停或被拒绝，录音存放位置无法使用：{trouble.why[1]}",
            False,
        )
