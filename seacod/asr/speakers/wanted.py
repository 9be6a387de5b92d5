"""How many speakers somebody asks for: `true`, `2`, `2-4`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from seacod.errors import BadRequest

# Beyond this, embeddings of a second and a half tell nobody apart any more.
MOST = 20
_NUMBERS = re.compile(r"(\d{1,3})(?:\s*[-–]\s*(\d{1,3}))?")


@dataclass(frozen=True, slots=True)
class SpeakerRange:
    """So many speakers are to be found."""

    at_least: int = 1
    at_most: int = MOST

    def __str__(self) -> str:
        """As `parse` takes it."""
        if self == SpeakerRange():
            return "true"
        one = self.at_least == self.at_most
        return str(self.at_least) if one else f"{self.at_least}-{self.at_most}"


def parse(given: str | None, field: str = "speakers") -> SpeakerRange | None:
    """Read a field of a form; None when speakers are not asked for.

    Args:
        given: as it was sent: nothing, false, true, N or N-M.
        field: its name, for the message.

    Raises:
        BadRequest: it is none of those.
    """
    text = (given or "").strip().lower()
    if text in ("", "false", "no", "off", "0"):
        return None
    if text in ("true", "yes", "on", "auto"):
        return SpeakerRange()
    numbers = _NUMBERS.fullmatch(text)
    if numbers is not None:
        least = int(numbers[1])
        most = int(numbers[2] or least)
        if 1 <= least <= most <= MOST:
            return SpeakerRange(least, most)
    raise BadRequest(
        f"{field}: {text[:40]!r} is not a number of speakers; use true (their number is "
        f"estimated), a number from 1 to {MOST}, or a range such as 2-4",
        f"{field}：{text[:40]} 无法识别；请使用 true（自动估计人数）、1 至 {MOST} 的数字，"
        "或 2-4 这样的范围",
    )
