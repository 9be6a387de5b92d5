"""A pause for planned work: the service takes nothing new, and says why. A small file in the state
directory, so that it outlives restarts; `seacod pause` and `seacod resume` write and remove it, the
supervisor notices and tells its workers.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from seacod.errors import Paused
from seacod.system.files import whole_file
from seacod.system.text import given_text

RETRY_AFTER_SECONDS = 300
LONGEST_RETRY_SECONDS = 86_400
LONGEST_REASON = 200
# More than any pause of ours takes.
_MOST_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Pause:
    """
    Args:
        reason: the operator's words, for everybody; may be empty.
        since: Unix seconds.
        retry_after_seconds: when clients are told to come back.
    """

    reason: str = ""
    since: float = 0.0
    retry_after_seconds: int = RETRY_AFTER_SECONDS

    def sentences(self) -> tuple[str, str]:
        """What whoever brings something new is told, in English and Chinese."""
        why, why_zh = (f": {self.reason}", f"：{self.reason}") if self.reason else ("", "")
        return (
            f"the service is paused and takes nothing new at present{why}; try again in "
            f"{self.retry_after_seconds} s",
            f"服务已暂停，暂不接受新的请求{why_zh}；请在 {self.retry_after_seconds} 秒后重试",
        )

    def refusal(self) -> Paused:
        """The answer to whatever is new."""
        return Paused(*self.sentences(), retry_after_seconds=self.retry_after_seconds)


def read(path: Path) -> Pause | None:
    """The pause that stands in the file; None without one. A file that cannot be understood is a
    pause, too: somebody wanted one.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES)
            since = os.fstat(file.fileno()).st_mtime
    except FileNotFoundError:
        return None
    told: object = None
    with contextlib.suppress(ValueError, RecursionError):
        told = json.loads(text)
    told = told if isinstance(told, dict) else {}
    reason, retry = told.get("reason", ""), told.get("retry_after_seconds")
    if not isinstance(retry, int) or isinstance(retry, bool):
        retry = RETRY_AFTER_SECONDS
    return Pause(
        one_line(reason) if isinstance(reason, str) else "",
        since,
        min(LONGEST_RETRY_SECONDS, max(1, retry)),
    )


def write(path: Path, pause: Pause) -> None:
    """Begin a pause, or change its reason.

    Raises:
        OSError: it cannot be written.
    """
    # Root may write it, and the service's user is to read it.
    whole_file.write(path, json.dumps(asdict(pause), ensure_ascii=False).encode(), 0o644)


def one_line(reason: str) -> str:
    """An operator's words as they are shown and sent: one line, not long, printable."""
    return given_text.one_line(reason, LONGEST_REASON)
