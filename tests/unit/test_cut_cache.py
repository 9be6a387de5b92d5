"""What is kept of cut recordings is bounded, whatever they are like."""

from __future__ import annotations

from seacod.asr.cache import Cut, CutCache
from seacod.asr.request import SoundFindings
from seacod.transcript import TranscriptWarning


def test_recordings_without_speech_are_bounded_too() -> None:
    cache = CutCache(1 << 20)
    warned = SoundFindings(tuple(TranscriptWarning("x", "m" * 100, "m" * 100) for _ in range(100)))
    for found, most in (
        (SoundFindings(), 256),
        (warned, 30),
        (SoundFindings(peaks=bytes(1 << 17)), 7),
    ):
        for number in range(500):
            cache.put(f"{most}-{number}", Cut((), 16_000, 0, found))
        kept = [cache.get(f"{most}-{number}") is not None for number in range(500)]
        # The newest, and not many.
        assert kept[-1]
        assert sum(kept) <= most
