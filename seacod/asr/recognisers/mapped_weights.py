"""Weights as pages of their file: shared by all processes that load it, dropped when memory is
short, never written. Used by recognisers of FunASR's models while they load.

FunASR fills a model with random numbers, reads the file beside it and copies it twice: six
gigabytes at their peak for two models of the real size, four of which stay. Here nothing is
filled in, and the parameters are the mapped file. `weights_only`: the file is a pickle, and no
model's directory is to run code.
"""

from __future__ import annotations

import contextlib
import importlib
import pickle
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog

log = structlog.get_logger(__name__)

# What PyTorch's modules fill their parameters with when they are made.
_FILLING = ("kaiming_uniform_", "normal_", "trunc_normal_", "uniform_", "xavier_uniform_")
# FunASR's checkpoints have their weights at the top, or below one of these (1.4.16).
_BELOW = ("state_dict", "model_state_dict", "model")


class NotOnlyWeights(Exception):
    """A model's file would run code, or holds what is no weight."""


@contextlib.contextmanager
def mapped_weights() -> Iterator[None]:
    """While the block runs, AutoModel maps weights instead of copying them.

    Raises:
        NotOnlyWeights: a file is refused.
    """
    import torch

    auto_model: Any = importlib.import_module("funasr.auto.auto_model")
    copying = auto_model.load_pretrained_model
    filling = {name: getattr(torch.nn.init, name) for name in _FILLING}
    nothing = dict.fromkeys(filling, _as_it_is)

    def load(path: str, model: Any, **options: Any) -> None:
        try:
            map_or_copy(path, model, **options)
        except pickle.UnpicklingError as error:
            raise NotOnlyWeights(f"{path} holds more than weights") from error

    def map_or_copy(path: str, model: Any, **options: Any) -> None:
        problem = _assign(Path(path), model)
        if problem is None:
            return
        log.info("weights_not_mapped", path=path, cause=problem)
        # What the file does not have has to be filled in after all.
        vars(torch.nn.init).update(filling)
        try:
            _fill(model)
            copying(path=path, model=model, **options)
        finally:
            vars(torch.nn.init).update(nothing)

    auto_model.load_pretrained_model = load
    vars(torch.nn.init).update(nothing)
    try:
        yield
    finally:
        vars(torch.nn.init).update(filling)
        auto_model.load_pretrained_model = copying


def _assign(file: Path, model: Any) -> str | None:
    """Make the mapped file the model's parameters; returns why that cannot be."""
    import torch

    try:
        weights = torch.load(file, map_location="cpu", mmap=True, weights_only=True)
    except RuntimeError as error:
        # Written before PyTorch 1.6: such a file cannot be mapped.
        return str(error)[:200]
    for key in _BELOW:
        weights = weights.get(key, weights)
    weights = {name.removeprefix("module."): tensor for name, tensor in weights.items()}
    wanted = model.state_dict()
    if not _fits(weights, wanted) or hasattr(model, "on_pretrained_model_loaded"):
        return "it has other parameters than the model"
    # Weights that are stored in fewer bits become a copy; all others stay where they are.
    fitting = {name: tensor.to(wanted[name].dtype) for name, tensor in weights.items()}
    model.load_state_dict(fitting, assign=True)
    return None


def _fits(weights: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return weights.keys() == wanted.keys() and all(
        weights[name].shape == tensor.shape for name, tensor in wanted.items()
    )


def _fill(model: Any) -> None:
    for module in model.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()


def _as_it_is(tensor: Any, *_: Any, **__: Any) -> Any:
    return tensor
