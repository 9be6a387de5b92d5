"""The numbers that a model of FunASR's computes with. Used by `seaco_paraformer.py` when it places
one.

Encoder and decoders are most of the work and bear fewer bits. What says how many tokens there are
and when (the predictor), the scores of words and the front end stay in float32: with bfloat16 there
FunASR's times break (1.4.16).
"""

from __future__ import annotations

from typing import Any, Literal

from seacod.errors import ConfigError

Precision = Literal["float32", "bfloat16", "float16", "int8"]
# What is loaded, and may be computed anywhere.
FULL: Precision = "float32"
# By whether it is a GPU.
_USABLE: dict[bool, tuple[Precision, ...]] = {
    False: ("float32", "bfloat16", "int8"),
    True: ("float32", "bfloat16", "float16"),
}
_ON_GPU: Precision = "float16"
# Parts of a SeacoParaformer, and those of their methods that are called without `forward`
# (`seaco_decoding.py` adds one).
_PARTS = {"encoder": (), "decoder": (), "seaco_decoder": ("attend",)}


def usable(device: str) -> tuple[Precision, ...]:
    """What may be chosen on a device, as PyTorch calls it."""
    return _USABLE[device != "cpu"]


def resolve(wanted: str, device: str) -> Precision:
    """What asr.precision means on a device.

    Raises:
        ConfigError: it cannot be computed there.
    """
    if wanted == "auto":
        return FULL if device == "cpu" else _ON_GPU
    for one in usable(device):
        if one == wanted:
            return one
    choices = ", ".join(usable(device))
    raise ConfigError(
        f"asr.precision: {wanted} cannot be used on {device}; choose auto or one of {choices}",
        f"asr.precision：{device} 不支持 {wanted}；请改为 auto 或 {choices}",
    )


def convert(model: Any, precision: Precision) -> None:
    """Have a model compute so; once, and not back.

    Args:
        model: a SeacoParaformer, in float32, where it is to work.
    """
    import torch

    if precision == FULL:
        return
    if precision == "int8":
        for part in _PARTS:
            torch.ao.quantization.quantize_dynamic(
                getattr(model, part), {torch.nn.Linear}, dtype=torch.qint8, inplace=True
            )
        return
    dtype = getattr(torch, precision)
    for name, methods in _PARTS.items():
        part = getattr(model, name)
        for module in part.modules():
            # Norms and embeddings cost nothing, and stay as they are.
            if isinstance(module, (torch.nn.Linear, torch.nn.Conv1d)):
                module.to(dtype)
        for method in ("forward", *methods):
            setattr(part, method, _Converting(getattr(part, method), dtype))


class _Converting:
    """A method of a part: what its layers are given has their type, what comes out is float32.

    FunASR multiplies by masks of float32 in between (1.4.16): PyTorch's autocast converts what goes
    into each layer.
    """

    def __init__(self, method: Any, dtype: Any) -> None:
        self._method = method
        self._dtype = dtype

    def __call__(self, given: Any, *arguments: Any, **options: Any) -> Any:
        import torch

        with torch.autocast(given.device.type, self._dtype, cache_enabled=False):
            return _full(self._method(given, *arguments, **options))


def _full(value: Any) -> Any:
    """Tensors of floating-point numbers, alone or several, as float32; anything else as it is."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.float() if value.is_floating_point() else value
    return tuple(map(_full, value)) if isinstance(value, (tuple, list)) else value
