"""FunASR without what nobody asked for.

`import funasr` imports every model it knows, and with them scikit-learn, transformers, numba and
3,000 modules more: most of the time and half of the memory of a start (1.4.16). What a model is
made of are a dozen of its files, so its `__init__` is passed over and those are imported that its
recogniser names. Any other class, and any version in which they are elsewhere, gets the whole of
it, as ever.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import yaml

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FunasrClasses:
    """What a recogniser needs of FunASR.

    `modules`: where each class that its models may name is registered. `parts`: keys of a model's
    configuration that name a class to build, besides those that every model has.
    """

    modules: Mapping[str, str]
    parts: tuple[str, ...] = ()


# Of the models that any of them may have beside it: voice activity and punctuation.
_COMPANIONS = {
    "CTTransformer": "funasr.models.ct_transformer.model",
    "FsmnVADStreaming": "funasr.models.fsmn_vad_streaming.model",
    "SANMEncoder": "funasr.models.sanm.encoder",
    "FSMN": "funasr.models.fsmn_vad_streaming.encoder",
    "WavFrontendOnline": "funasr.frontends.wav_frontend",
    "CharTokenizer": "funasr.tokenizer.char_tokenizer",
}
# What of a configuration is built to recognise; the rest is for training.
_PARTS = (
    "model", "frontend", "tokenizer", "specaug", "normalize", "encoder", "decoder", "predictor",
)  # fmt: skip
_AUTO_MODEL = "funasr.auto.auto_model"
# Of the modules AutoModel imports the one for telling speakers apart, which brings scikit-learn; it
# does without where that is not installed.
_SPARED = "funasr.models.campplus.cluster_backend"


def auto_model(directories: Iterable[Path], needed: FunasrClasses) -> Any:
    """FunASR's AutoModel, able to load these models.

    Args:
        directories: of the models, each with a config.yaml.
        needed: what their recogniser names.
    """
    parts = (*_PARTS, *needed.parts)
    wanted = {name for directory in directories for name in _classes(directory, parts)}
    _pass_over_init()
    try:
        return _lean(wanted, {**_COMPANIONS, **needed.modules})
    except Exception as error:
        if _is_passed_over():
            log.info("funasr_imported_whole", cause=f"{type(error).__name__}: {error}")
            _import_all()
    return importlib.import_module("funasr").AutoModel


def module(name: str) -> Any:
    """One of FunASR's modules, without all the others."""
    _pass_over_init()
    return importlib.import_module(name)


def _lean(wanted: set[str], modules: Mapping[str, str]) -> Any:
    """AutoModel and the modules of these classes.

    Raises:
        LookupError: a class is not among those named, or not where it was.
        Exception: whatever a module raises that is not what it was.
    """
    if unknown := wanted - modules.keys():
        raise LookupError(f"{', '.join(sorted(unknown))} not among the modules known")
    is_spared = _SPARED not in sys.modules
    if is_spared:
        # None stands for a module that cannot be imported.
        sys.modules[_SPARED] = None  # type: ignore[assignment]
    try:
        made = importlib.import_module(_AUTO_MODEL).AutoModel
    finally:
        if is_spared:
            del sys.modules[_SPARED]
    for name in wanted:
        importlib.import_module(modules[name])
    tables = importlib.import_module("funasr.register").tables
    registered = {
        name
        for table, classes in vars(type(tables)).items()
        if table.endswith("_classes")
        for name in classes
    }
    if lost := wanted - registered:
        raise LookupError(f"{', '.join(sorted(lost))} not registered")
    return made


def _pass_over_init() -> None:
    """Put the package into place without running it, unless it was imported already."""
    spec = importlib.util.find_spec("funasr")
    if "funasr" not in sys.modules and spec is not None:
        package = importlib.util.module_from_spec(spec)
        package.__getattr__ = _missing  # type: ignore[method-assign]
        sys.modules["funasr"] = package


def _missing(name: str) -> Any:
    """Whoever asks for what only the whole package has, as in `from funasr import AutoModel`, gets
    the whole of it."""
    if name.startswith("__"):
        raise AttributeError(name)
    _import_all()
    return getattr(sys.modules["funasr"], name)


def _is_passed_over() -> bool:
    return vars(sys.modules.get("funasr", sys)).get("__getattr__") is _missing


def _import_all() -> None:
    """Run what was passed over."""
    package = sys.modules["funasr"]
    del package.__getattr__
    # It was made without telling speakers apart.
    sys.modules.pop(_AUTO_MODEL, None)
    assert package.__spec__ is not None and package.__spec__.loader is not None
    package.__spec__.loader.exec_module(package)


def _classes(directory: Path, parts: Iterable[str]) -> set[str]:
    """The classes of FunASR's that a model is made of."""
    configuration = yaml.safe_load((directory / "config.yaml").read_text("utf-8"))
    named = configuration if isinstance(configuration, dict) else {}
    return {str(named[key]) for key in parts if named.get(key)}
