"""Every recogniser, found by looking into this folder and at the entry points `seacod.recognisers`
of other packages, and which one a model is for.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

import structlog
import yaml

import seacod.asr.recognisers as package
from seacod.asr.recognisers.base import Recogniser
from seacod.errors import ModelUnavailable
from seacod.models.registry import ModelSet
from seacod.system.discovery import declared

log = structlog.get_logger(__name__)

ENTRY_POINTS = "seacod.recognisers"


@cache
def all_recognisers() -> tuple[type[Recogniser], ...]:
    """Ours first, then those of other packages."""
    found = [cast(type[Recogniser], one) for one in declared(package, "RECOGNISER", type)]
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            found.append(entry.load())
        except Exception:
            # A package of somebody else's that is broken takes no model of ours along.
            log.exception("recogniser_not_loaded", name=entry.name, value=entry.value)
    return tuple(found)


def claiming(models: ModelSet) -> type[Recogniser]:
    """The recogniser that a model is for.

    Raises:
        ModelUnavailable: there is none, or its configuration cannot be read.
    """
    wanted = class_of(models.asr)
    for one in all_recognisers():
        if wanted in one.classes:
            return one
    known = sorted(name for one in all_recognisers() for name in one.classes)
    raise ModelUnavailable(
        f"asr.model: {models.name} is of the class {wanted}, and there is no recogniser for it "
        f"(recognisers exist for: {', '.join(known)}); choose another model, such as "
        "paraformer-zh, or install a package with a recogniser for it",
        f"asr.model：{models.name} 的模型类型为 {wanted}，没有对应的识别器"
        f"（支持：{'、'.join(known)}）；请更换模型（如 paraformer-zh），"
        "或安装支持该类型的识别器软件包",
    )


def load(models: ModelSet, cpu_threads: int) -> Recogniser:
    """A model in host memory; see `Recogniser`.

    Raises:
        ModelUnavailable: no recogniser is for it, or it does not load.
    """
    return claiming(models)(models, cpu_threads)


def class_of(directory: Path) -> str:
    """The class that the configuration of a model names.

    Raises:
        ModelUnavailable: it cannot be read, or names none.
    """
    file = directory / "config.yaml"
    try:
        configuration = yaml.safe_load(file.read_text("utf-8"))
        return str(configuration["model"])
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError) as error:
        raise ModelUnavailable(
            f"{file} does not say of which class the model is ({type(error).__name__}); it has to "
            "be a model of FunASR's, fetched whole",
            f"{file} 未说明模型类型，需要完整的 FunASR 模型目录",
        ) from None
