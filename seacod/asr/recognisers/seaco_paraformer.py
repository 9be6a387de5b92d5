"""Seaco-Paraformer through FunASR: recognition with hotwords, punctuation, confidence.

FunASR is imported only when a model is loaded. Not thread-safe, because FunASR is not:
`AutoModel.generate` rebuilds settings on shared objects and SeacoParaformer keeps the hotword list
on the model. `scheduler.py` owns the one thread that may call in here.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import platform
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from seacod.accelerators import registry as accelerators
from seacod.accelerators.base import Accelerator
from seacod.asr.audio import SAMPLE_RATE, Samples
from seacod.asr.recognisers import features, funasr_library
from seacod.asr.recognisers.base import Recognised, Recogniser
from seacod.asr.recognisers.funasr_voice import FunasrVoice
from seacod.asr.recognisers.mapped_weights import mapped_weights
from seacod.asr.recognisers.quiet import quiet
from seacod.asr.sentences import join
from seacod.errors import InferenceFailed, ModelUnavailable, OutOfMemory
from seacod.models.registry import SILERO, ModelSet
from seacod.transcript import Token

log = structlog.get_logger(__name__)

# FunASR dies without an exception on an empty array and on one of a single sample (1.4.16).
_MIN_SAMPLES = 1600


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

            AutoModel = funasr_library.auto_model(Path(d) for d in directories if d)
        logging.getLogger().addFilter(_is_worth_a_line)
        self._torch = torch
        self.device = "cpu"
        self._accelerator: Accelerator | None = None
        self._out_of_memory = accelerators.out_of_memory()
        self.name = models.name
        # The other core decodes: two threads on two cores were slower by a tenth under load.
        threads = cpu_threads or max(1, len(os.sched_getaffinity(0)) - 1)
        common = {
            "device": "cpu", "ncpu": threads, "disable_update": True,
            "disable_pbar": True, "disable_log": True, "log_level": "WARNING",
            # Said, since a model's own configuration could say otherwise.
            "trust_remote_code": False,
        }  # fmt: skip
        try:
            with quiet(), mapped_weights():
                self._model = AutoModel(model=str(models.asr), **common)
                self.voice = None
                # silero-vad runs in the decoding processes.
                if models.vad != SILERO:
                    voice = AutoModel(model=str(models.vad), **common)
                    features.without_noise(voice)
                    self.voice = partial(FunasrVoice, voice)
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
        torch.set_num_threads(threads)
        features.without_noise(self._model)
        features.speed_up(self._model)
        self._posteriors = _PosteriorTap(self._model.model)
        self.vocabulary = _vocabulary(self._model)

    def place(self, device: str) -> None:
        resolved = accelerators.resolve(device)
        if resolved == self.device:
            return
        try:
            for auto_model in filter(None, (self._model, self._punctuation)):
                auto_model.model.to(resolved)
                # FunASR sends features to where its settings say, and takes these from a copy
                # made at loading before each call (1.4.16, _reset_runtime_configs).
                auto_model.kwargs["device"] = resolved
                auto_model._store_base_configs()
        except self._out_of_memory:
            raise ModelUnavailable(
                f"asr.device: the memory of {resolved} has no room for {self.name}; see what "
                "else uses it, or set asr.device to another one",
                f"{resolved} 的显存放不下模型 {self.name}；请查看哪些程序占用显存，或更换 "
                "asr.device",
            ) from None
        self.device = resolved
        self._accelerator = accelerators.of_device(resolved)

    def recognise(self, pieces: Sequence[Samples], hotwords: str | None) -> list[Recognised]:
        # What came back empty, or not at all, is tried again alone: FunASR drops whole batches in
        # silence when one of their pieces has no token.
        try:
            together = self._generate(pieces, hotwords)
            if together is None:
                return [self._alone(piece, hotwords) for piece in pieces]
            return [
                heard if heard.text or len(pieces) == 1 else self._alone(piece, hotwords)
                for heard, piece in zip(together, pieces, strict=True)
            ]
        except self._out_of_memory:
            seconds = max(map(len, pieces)) / SAMPLE_RATE
            raise OutOfMemory(
                f"a stretch of {seconds:.0f} s does not fit into the memory of {self.device}; "
                "lower asr.max_segment_seconds or use a larger device",
                f"一段 {seconds:.0f} 秒的语音放不进 {self.device} 的显存；请调小 "
                "asr.max_segment_seconds",
            ) from None

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

    def _alone(self, piece: Samples, hotwords: str | None) -> Recognised:
        single = self._generate([piece], hotwords)
        heard = single[0] if single else Recognised("", ())
        return Recognised(heard.text, heard.tokens, was_retried=True)

    def _generate(self, pieces: Sequence[Samples], hotwords: str | None) -> list[Recognised] | None:
        """One call of FunASR; None when the results cannot be told apart."""
        inputs = [_long_enough(piece) for piece in pieces]
        self._posteriors.forget()
        try:
            with quiet(), self._torch.inference_mode():
                results = self._model.generate(
                    input=inputs, batch_size=len(inputs), hotword=hotwords, cache={}
                )
        except self._out_of_memory:
            raise
        except Exception as error:
            log.exception("inference_failed", pieces=len(pieces))
            raise InferenceFailed(
                "the model failed on this recording; the log of the service has the details",
                "模型处理该录音时出错，详情见服务日志",
            ) from error
        # Results carry no usable key; only a full set can be paired by order.
        if len(results) != len(inputs):
            return [Recognised("", ())] if len(inputs) == 1 else None
        posteriors = self._posteriors.taken(len(inputs))
        return [
            _read(result, posteriors[index] if posteriors else None)
            for index, result in enumerate(results)
        ]


class _PosteriorTap:
    """Reads the decoder's posteriors, which FunASR computes and drops, on their way past.

    SeacoParaformer decodes once per batch; its log-probabilities are the recogniser's, or, where a
    hotword was written, the hotword branch's. The greatest one per token is what decided.
    """

    def __init__(self, model: Any) -> None:
        self._batches: list[list[list[float]]] = []
        self._ignored = {model.blank_id, model.sos, model.eos} if hasattr(model, "sos") else set()
        original = getattr(model, "_seaco_decode_with_ASF", None)
        if original is None:
            return

        def decode(*arguments: Any, **options: Any) -> Any:
            scores = original(*arguments, **options)
            with contextlib.suppress(IndexError, AttributeError):
                self._batches.append(self._of(scores, arguments[3]))
            return scores

        model._seaco_decode_with_ASF = decode

    def forget(self) -> None:
        self._batches.clear()

    def taken(self, count: int) -> list[list[float]] | None:
        """Posteriors of each written token of each piece; None if they cannot be paired."""
        rows = [row for batch in self._batches for row in batch]
        return rows if len(rows) == count else None

    def _of(self, scores: Any, lengths: Any) -> list[list[float]]:
        best, tokens = scores.max(dim=-1)
        rows = []
        for index, length in enumerate(lengths.tolist()):
            pairs = zip(best[index, :length].tolist(), tokens[index, :length].tolist(), strict=True)
            rows.append([math.exp(min(0.0, s)) for s, token in pairs if token not in self._ignored])
        return rows


def _read(result: dict[str, Any], posteriors: list[float] | None) -> Recognised:
    """FunASR's answer as ours: characters come separated by blanks, times in ms."""
    words = str(result.get("text", "")).split()
    times = result.get("timestamp") or []
    if len(times) != len(words):
        times = []
    if posteriors is None or len(posteriors) != len(words):
        known: list[float | None] = [None] * len(words)
    else:
        known = list(posteriors)
    tokens = tuple(
        Token(word, begin / 1000, end / 1000, confidence)
        for word, (begin, end), confidence in zip(
            words, times or [(0, 0)] * len(words), known, strict=True
        )
    )
    return Recognised(join(words), tokens)


def _long_enough(piece: Samples) -> Samples:
    piece = np.ascontiguousarray(piece, dtype=np.float32)
    return np.pad(piece, (0, max(0, _MIN_SAMPLES - len(piece))))


def _vocabulary(model: Any) -> frozenset[str] | None:
    """The characters the model can write."""
    tokenizer = model.kwargs.get("tokenizer")
    tokens = getattr(tokenizer, "token_list", None)
    return frozenset(tokens) if tokens else None


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    """FunASR warns on the root logger at every load that remote code is *not* trusted."""
    return "trust_remote_code" not in str(record.msg)


RECOGNISER = SeacoParaformer
