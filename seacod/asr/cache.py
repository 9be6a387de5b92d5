"""Recordings that were decoded and cut already, by their content; the least used go first.

A second upload of the same file (another list of hotwords, a retry after a 504) skips decoding.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from seacod.asr.piece import Piece
from seacod.asr.request import SoundFindings

# What Python takes for an entry with its key and findings, and for a piece, besides the sound.
_ENTRY_BYTES, _PIECE_BYTES = 4096, 512


@dataclass(frozen=True, slots=True)
class Cut:
    """A recording as the decoder left it: lengths in samples."""

    pieces: tuple[Piece, ...]
    samples: int
    speech: int
    found: SoundFindings = field(default_factory=SoundFindings)

    @property
    def size_bytes(self) -> int:
        """About what it takes: its sound, and what is kept of one that has none."""
        words = sum(len(one.message) + len(one.chinese) for one in self.found.warnings)
        return (
            sum(piece.samples.nbytes + _PIECE_BYTES for piece in self.pieces)
            + len(self.found.peaks)
            + 2 * words
            + _ENTRY_BYTES
        )


class CutCache:
    """Keeps cut recordings within a budget of bytes."""

    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._kept: OrderedDict[str, Cut] = OrderedDict()
        self._bytes = 0

    @property
    def most_bytes(self) -> int:
        """What a recording may take that is kept."""
        return self.budget_bytes // 4

    def get(self, key: str) -> Cut | None:
        """The recording with this content, if it is still kept."""
        cut = self._kept.get(key)
        if cut is not None:
            self._kept.move_to_end(key)
        return cut

    def put(self, key: str, cut: Cut) -> None:
        """Keep a recording, if it is small enough to leave room for others."""
        if cut.size_bytes > self.most_bytes or key in self._kept:
            return
        self._kept[key] = cut
        self._bytes += cut.size_bytes
        self.limit(self.budget_bytes)

    def limit(self, budget_bytes: int) -> None:
        """Keep at most this many bytes from now on."""
        self.budget_bytes = budget_bytes
        while self._bytes > budget_bytes:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.size_bytes
