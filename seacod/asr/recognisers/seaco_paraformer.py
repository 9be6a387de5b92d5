"""Seaco-Paraformer through FunASR: recognition with hotwords, punctuation, confidence.

FunASR is imported only when a model is loaded; it loads, and `seaco_decoding.py` runs what was
loaded. Not thread-safe: `scheduler.py` owns the one thread that may call in here.
"""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from seacod.accelerators import registry as accelerators
from seacod.accelerators.base import Accelerator
from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.recognisers import features, funasr_library, word_pieces
from seacod.asr.recognisers import precision as precisions
from seacod.asr.recognisers.base import Recognised, Recogniser, Spelling
from seacod.asr.recognisers.funasr_voice import FunasrVoice
from seacod.asr.recognisers.mapped_weights import mapped_weights
from seacod.asr.recognisers.quiet import quiet
from seacod.asr.recognisers.seaco_decoding import SeacoDecoder
from seacod.asr.recognisers.units import Speller, read_segments
from seacod.asr.sentences import join
from seacod.config.model_names import SILERO
from seacod.errors import InferenceFailed, ModelUnavailable, OutOfMemory
from seacod.models.registry import ModelSet
from seacod.system.processes import heap

log = structlog.get_logger(__name__)

# FunASR dies without an exception on an empty array and on one of a single sample (1.4.16).
_MIN_SAMPLES = 1600
_SPELLINGS_KEPT = 20_000
FUNASR = funasr_library.FunasrClasses(
    {
        "SeacoParaformer": "funasr.models.seaco_paraformer.model",
        "SANMEncoder": "funasr.models.sanm.encoder",
        "ParaformerSANMDecoder": "funasr.models.paraformer.decoder",
        "CifPredictorV3": "funasr.models.bicif_paraformer.cif_predictor",
        "SpecAug": "funasr.models.specaug.specaug",
        "SpecAugLFR": "funasr.models.specaug.specaug",
        "WavFrontend": "funasr.frontends.wav_frontend",
        "CharTokenizer": "funasr.tokenizer.char_tokenizer",
    },
    parts=("seaco_decoder",),
)


class SeacoParaformer(Recogniser):
    """See `Recogniser`; the voice activity model, if one of FunASR's is configured, stays on the
    CPU, which is quicker for it."""

    kind = "seaco-paraformer"
    classes = frozenset({"SeacoParaformer"})
    language = "zh"

    def __init__(self, models: ModelSet, cpu_threads: int) -> None:
        directories = [models.asr, models.punctuation, None if models.vad == SILERO else models.vad]
        with quiet():
            import torch

            AutoModel = funasr_library.auto_model((Path(d) for d in directories if d), FUNASR)
        logging.getLogger().addFilter(_is_worth_a_line)
        self._torch = torch
        self.device = "cpu"
        self.precision = precisions.FULL
        self._accelerator: Accelerator | None = None
        self._out_of_memory = accelerators.out_of_memory()
        self.name = models.name
        # The other core decodes: two threads on two cores were slower by a tenth under load.
        self._threads = cpu_threads or max(1, len(os.sched_getaffinity(0)) - 1)
        common = {
            # One thread until it is placed: workers may still be forked.
            "device": "cpu", "ncpu": 1, "disable_update": True,
            "disable_pbar": True, "disable_log": True, "log_level": "WARNING",
            # Said, since a model's own configuration could say otherwise.
            "trust_remote_code": False,
        }  # fmt: skip
        try:
            with quiet(), mapped_weights():
                self._model = AutoModel(model=str(models.asr), **common)
                self.voice = self._voice = None
                # silero-vad runs in the decoding processes.
                if models.vad != SILERO:
                    self._voice = AutoModel(model=str(models.vad), **common)
                    features.without_noise(self._voice)
                    self.voice = partial(FunasrVoice, self._voice)
                self._punctuation = (
                    AutoModel(model=str(models.punctuation), **common)
                    if models.punctuation
                    else None
                )
        except Exception as error:
            log.exception("model_did_not_load", model=models.name)
            raise ModelUnavailable(
                f"asr.model: {models.name} does not load ({type(error).__name__}: {error}); fetch "
                f"it again with 'seacod model fetch {models.name}' or choose another",
                f"模型 {models.name} 无法加载（{type(error).__name__}）；请用 seacod model fetch "
                "重新下载，或更换 asr.model",
            ) from error
        features.without_noise(self._model)
        features.speed_up(self._model)
        self._decoder = SeacoDecoder(self._model)
        tokens = self._model.kwargs["tokenizer"].token_list
        speller = Speller(tokens, read_segments(models.asr / "seg_dict"))
        self._spelled = lru_cache(_SPELLINGS_KEPT)(speller.spell)
        self.vocabulary = frozenset(tokens)

    def place(self, device: str, precision: str = "auto") -> None:
        self._torch.set_num_threads(self._threads)
        for auto_model in filter(None, (self._model, self._voice, self._punctuation)):
            _configure(auto_model, ncpu=self._threads)
        resolved = accelerators.resolve(device)
        # Before it is moved: what it needs on the device at once is what it keeps there.
        wanted = precisions.resolve(precision, resolved)
        if wanted != self.precision:
            with quiet():
                precisions.convert(self._model.model, wanted)
            heap.trim()
            self.precision = wanted
        if resolved == self.device:
            return
        try:
            for auto_model in filter(None, (self._model, self._punctuation)):
                auto_model.model.to(resolved)
                # FunASR sends features to where its settings say.
                _configure(auto_model, device=resolved)
        except self._out_of_memory:
            raise ModelUnavailable(
                f"asr.device: the memory of {resolved} has no room for {self.name}; see what "
                "else uses it, or set asr.device to another one",
                f"{resolved} 的显存放不下模型 {self.name}；请查看哪些程序占用显存，或更换 "
                "asr.device",
            ) from None
        self.device = resolved
        self._accelerator = accelerators.of_device(resolved)

    def recognise(
        self, pieces: Sequence[Samples], hotwords: Sequence[Sequence[str]] | None = None
    ) -> list[Recognised]:
        lists = hotwords or [()] * len(pieces)
        try:
            together = self._decoded(pieces, lists)
            return [
                heard if heard.text or len(pieces) == 1 else self._alone(piece, words)
                for heard, piece, words in zip(together, pieces, lists, strict=True)
            ]
        except self._out_of_memory:
            seconds = max(map(len, pieces)) / SAMPLE_RATE
            raise OutOfMemory(
                f"a stretch of {seconds:.0f} s does not fit into the memory of {self.device}; "
                "lower asr.max_segment_seconds or use a larger device",
                f"一段 {seconds:.0f} 秒的语音放不进 {self.device} 的显存；请调小 "
                "asr.max_segment_seconds",
            ) from None

    def spell(self, word: str) -> Spelling:
        spelled = self._spelled(word)
        return Spelling(spelled.forms, spelled.missing)

    @property
    def has_punctuation(self) -> bool:
        return self._punctuation is not None

    @property
    def sentence_gap(self) -> str:
        # Without a punctuation model a blank marks each pause; commas would be invented.
        return "" if self.has_punctuation else " "

    def punctuate(self, text: str) -> str:
        # It touches a FunASR model of its own. Without room on the device the text stays as it is.
        if self._punctuation is None or not text:
            return text
        try:
            with quiet(), self._torch.inference_mode():
                results = self._punctuation.generate(input=text, cache={})
        except self._out_of_memory:
            log.warning("not_punctuated", cause="out of memory", characters=len(text))
            self.release_cache()
            return text
        return str(results[0]["text"]) if results else text

    @property
    def hardware(self) -> str:
        if self._accelerator is not None:
            return self._accelerator.hardware(self.device)
        threads = self._torch.get_num_threads()
        return f"{platform.machine()} CPU, {threads} thread{'' if threads == 1 else 's'}"

    def reserved_bytes(self) -> int:
        return self._accelerator.reserved_bytes(self.device) if self._accelerator else 0

    def release_cache(self) -> None:
        if self._accelerator is not None:
            self._accelerator.release_cache()

    def _alone(self, piece: Samples, words: Sequence[str]) -> Recognised:
        """Once more what came back empty: beside longer ones it may sound like silence."""
        (heard,) = self._decoded([piece], [words])
        return replace(heard, was_retried=True)

    def _decoded(
        self, pieces: Sequence[Samples], lists: Sequence[Sequence[str]]
    ) -> list[Recognised]:
        """One batch through the model."""
        inputs = [_long_enough(piece) for piece in pieces]
        units = [[way for word in words for way in self._spelled(word).ways] for words in lists]
        try:
            with self._torch.inference_mode():
                decoded = self._decoder(inputs, units, self.device)
        except self._out_of_memory:
            raise
        except Exception as error:
            log.exception("inference_failed", pieces=len(pieces))
            raise InferenceFailed(
                "the model failed on this recording; the log of the service has the details",
                "模型处理该录音时出错，详情见服务日志",
            ) from error
        heard = [word_pieces.words(one) for one in decoded]
        return [Recognised(join([token.text for token in tokens]), tokens) for tokens in heard]


def _configure(auto_model: Any, **values: object) -> None:
    """Change settings of FunASR's; before each call it takes them from a copy made at loading
    (1.4.16, _reset_runtime_configs)."""
    auto_model.kwargs.update(values)
    auto_model._base_kwargs_map["kwargs"].update(values)


def _long_enough(piece: Samples) -> Samples:
    piece = np.ascontiguousarray(piece, dtype=np.float32)
    return np.pad(piece, (0, max(0, _MIN_SAMPLES - len(piece))))


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """FunASR warns on the root logger at every load that remote code is *not* trusted."""
    return "trust_remote_code" not in str(record.msg)


RECOGNISER = SeacoParaformer
