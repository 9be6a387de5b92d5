"""From `asr.model` and its companions to directories on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from seacod.config.asr import AsrSettings
from seacod.config.model_names import BUILTIN as BUILTIN_NAME
from seacod.config.model_names import HUB_IDS, SILERO, checked, is_directory
from seacod.config.schema import Settings
from seacod.errors import ConfigError, ModelUnavailable
from seacod.system.text.words import Words

BUILTIN = Path(__file__).parent / "builtin"
# What says of which class a model is, and its weights: in FunASR's file, or in one of those that
# models of others have.
_CONFIGURATION, _WEIGHTS = "config.yaml", "model.pt"
_OTHER_WEIGHTS = ("*.safetensors", "*.onnx", "*.bin", "*.pt", "*.pth")


@dataclass(frozen=True, slots=True)
class ModelSet:
    """What to load. `vad` is a directory, or `silero-vad`, whose weights are in its package."""

    name: str
    asr: Path
    vad: Path | str
    punctuation: Path | None


def companions(settings: AsrSettings) -> tuple[str, str | None]:
    """The voice activity and punctuation models that `auto` means."""
    is_real = settings.model in ("paraformer-zh", HUB_IDS["paraformer-zh"])
    vad = settings.vad_model
    if vad == "auto":
        vad = SILERO
    punctuation: str | None = settings.punctuation_model
    if punctuation == "auto":
        punctuation = "ct-punc" if is_real else None
    return vad, None if punctuation == "none" else punctuation


def hub_id(name: str) -> str | None:
    """The ModelScope id of a name; None for the built-in model, silero and directories.

    Raises:
        ConfigError: it is no name of a model.
    """
    if name in (BUILTIN_NAME, SILERO) or is_directory(name):
        return None
    try:
        return HUB_IDS.get(name) or checked(name, "model")
    except ValueError as error:
        raise ConfigError(
            f"asr.model: {error}",
            f"asr.model：{name!r} 不是可用的模型；请使用 builtin、paraformer-zh、"
            "ModelScope 模型名或目录",
        ) from None


def fetched_directory(models_directory: Path, identifier: str) -> Path:
    """The directory of a fetched model."""
    return models_directory / identifier


def missing(settings: AsrSettings, models_directory: Path) -> list[str]:
    """Ids of the models these settings need that have not been fetched yet."""
    vad, punctuation = companions(settings)
    wanted = [hub_id(name) for name in (settings.model, vad, punctuation or SILERO)]
    return [
        identifier
        for identifier in wanted
        if identifier and not is_complete(fetched_directory(models_directory, identifier))
    ]


def is_complete(directory: Path) -> bool:
    """A fetched model is moved into place whole, so its files are all there or none is."""
    return not _absent(directory)


def _absent(directory: Path) -> list[str]:
    """What a model's directory lacks; whether it is what its recogniser needs, that one sees."""
    has_weights = (directory / _WEIGHTS).is_file() or any(
        found for kind in _OTHER_WEIGHTS for found in directory.glob(kind)
    )
    absent = [] if (directory / _CONFIGURATION).is_file() else [_CONFIGURATION]
    return absent if has_weights else [*absent, _WEIGHTS]


def resolve(settings: AsrSettings, models_directory: Path) -> ModelSet:
    """Find the directories of the models these settings name.

    Raises:
        ConfigError: a name is not that of a model.
        ModelUnavailable: a directory without its files, or a model that was not fetched.
    """
    vad, punctuation = companions(settings)
    return ModelSet(
        name=settings.model,
        asr=_locate(settings.model, "asr.model", models_directory),
        vad=SILERO if vad == SILERO else _locate(vad, "asr.vad_model", models_directory),
        punctuation=_locate(punctuation, "asr.punctuation_model", models_directory)
        if punctuation
        else None,
    )


def problems(settings: Settings) -> list[tuple[str, Words]]:
    """What is wrong with the models that are named as directories, by key of the section; what can
    be fetched is not asked for."""
    asr = settings.asr
    found: list[tuple[str, Words]] = []
    for key in ("model", "vad_model", "punctuation_model"):
        name = str(getattr(asr, key))
        if not is_directory(name):
            continue
        try:
            _locate(name, f"asr.{key}", Path())
        except ModelUnavailable as error:
            english, chinese = error.words
            own = f"asr.{key}"
            found.append(
                (key, (english.removeprefix(f"{own}: "), chinese.removeprefix(f"{own}：")))
            )
    return found


def _locate(name: str, key: str, models_directory: Path) -> Path:
    identifier = hub_id(name)
    if name == "builtin":
        directory = BUILTIN
    elif identifier is None:
        directory = Path(name).expanduser()
    else:
        directory = fetched_directory(models_directory, identifier)
        if not directory.is_dir():
            raise ModelUnavailable(
                f"{key}: {name} is not on this machine; fetch it with: seacod model fetch {name}",
                f"{key}：本机没有 {name}；请先执行 seacod model fetch {name}",
            )
    if not directory.is_dir():
        raise ModelUnavailable(
            f"{key}: there is no directory {directory}", f"{key}：目录 {directory} 不存在"
        )
    if absent := _absent(directory):
        raise ModelUnavailable(
            f"{key}: {directory} is not a model: {', '.join(absent)} is missing",
            f"{key}：{directory} 不是可用的模型，缺少 {'、'.join(absent)}",
        )
    return directory
