"""Synthetic Mandarin from espeak-ng, with the time of each character.

The voice must be `cmn-latn-pinyin`: espeak-ng 1.51's plain `cmn` reads the pinyin of each
character with English letters ("jin one"). libespeak-ng is called in this process; it reports
where each character begins, which the command-line program does not.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

LANGUAGE = "cmn-latn-pinyin"

# Variants (timbre, vowel formants, breath) that sound like people. Held-out voices are never
# heard in training.
TRAINING_VOICES = (
    "f1 f2 f3 f4 m1 m2 m3 m4 m5 m6 m8 Alex Andrea Annie Denis Diogo Gene Gene2 Henrique Hugo "
    "Jacky Lee Marco Mario Michael Mike Nguyen Tweaky adam anika antonio belinda benjamin boris "
    "caleb david ed edward edward2 grandma iven iven2 iven3 john linda marcelo max michel miguel "
    "norbert pablo paul pedro quincy rob sandro shelby steph steph2 travis zac"
).split()
HELD_OUT_VOICES = "f5 m7 Alicia Andy aunty robert steph3 victor".split()

_AUDIO_OUTPUT_SYNCHRONOUS = 2
_CHARS_UTF8 = 1
_EVENT_END, _EVENT_WORD, _EVENT_MESSAGE_END, _EVENT_PHONEME = 0, 1, 6, 7
_RATE, _PITCH, _RANGE = 1, 3, 4


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event)
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """One synthesised utterance.

    `samples`: float32, -1 to 1, at `rate` Hz. `spans`: for each character its start and end in
    seconds; punctuation has none.
    """

    samples: npt.NDArray[np.float32]
    rate: int
    spans: tuple[tuple[float, float], ...]


class Speaker:
    """espeak-ng in this process; one at a time (the library keeps global state)."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL("libespeak-ng.so.1")
        self.rate = int(self._library.espeak_Initialize(_AUDIO_OUTPUT_SYNCHRONOUS, 0, None, 1))
        if self.rate <= 0:
            raise RuntimeError("espeak-ng cannot be initialised; is espeak-ng-data installed?")
        self._chunks: list[npt.NDArray[np.int16]] = []
        self._marks: list[tuple[int, int, bool]] = []
        self._callback = _Callback(self._collect)
        self._library.espeak_SetSynthCallback(self._callback)

    def _collect(self, wave: object, count: int, events: object) -> int:
        if count > 0:
            self._chunks.append(np.ctypeslib.as_array(wave, shape=(count,)).copy())  # type: ignore[call-overload]
        index = 0
        while events[index].type != _EVENT_END:  # type: ignore[index]
            event = events[index]  # type: ignore[index]
            if event.type == _EVENT_WORD:
                self._marks.append((event.sample, event.text_position, True))
            elif event.type == _EVENT_PHONEME and event.id.string.startswith(b"_"):
                self._marks.append((event.sample, event.text_position, False))
            index += 1
        return 0

    def say(
        self,
        text: str,
        voice: str,
        *,
        words_per_minute: int = 160,
        pitch: int = 50,
        range_: int = 50,
    ) -> Spoken | None:
        """Speech of `text`, or None when espeak-ng did not report one time per character.

        Args:
            text: characters and Chinese commas or full stops.
            voice: a variant, such as `f3`.
            words_per_minute: espeak-ng's rate, 80 to 450.
            pitch: 0 to 100.
            range_: how much the pitch moves, 0 to 100.

        Raises:
            ValueError: espeak-ng does not have the voice.
        """
        self._chunks, self._marks = [], []
        if self._library.espeak_SetVoiceByName(f"{LANGUAGE}+{voice}".encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {LANGUAGE}+{voice}")
        for parameter, value in ((_RATE, words_per_minute), (_PITCH, pitch), (_RANGE, range_)):
            self._library.espeak_SetParameter(parameter, value, 0)
        data = text.encode() + b"\0"
        self._library.espeak_Synth(data, len(data), 0, 0, 0, _CHARS_UTF8, None, None)
        samples = np.concatenate(self._chunks).astype(np.float32) / 32768.0
        spans = self._spans(text, len(samples))
        return None if spans is None else Spoken(samples, self.rate, spans)

    def _spans(self, text: str, total: int) -> tuple[tuple[float, float], ...] | None:
        """Start and end of each character: from its word mark to the next mark of any kind."""
        wanted = [i + 1 for i, char in enumerate(text) if char not in "，。 "]
        starts: dict[int, int] = {}
        for sample, position, is_word in self._marks:
            if is_word and position in wanted and position not in starts:
                starts[position] = sample
        if sorted(starts) != wanted:
            return None
        edges = sorted({sample for sample, _, _ in self._marks} | {total})
        spans = []
        for position in wanted:
            start = starts[position]
            later = [edge for edge in edges if edge > start]
            if not later:
                return None
            spans.append((start / self.rate, later[0] / self.rate))
        return tuple(spans)


def version() -> str:
    """espeak-ng's version, such as 1.51."""
    library = ctypes.CDLL("libespeak-ng.so.1")
    library.espeak_Info.restype = ctypes.c_char_p
    text: bytes = library.espeak_Info(None)
    return text.decode()
