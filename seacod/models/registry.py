"""From `asr.model` and its companions to directories on this machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from seacod.config.asr import AsrSettings
from seacod.errors import ConfigError, ModelUnavailable

BUILTIN = Path(__file__).parent / "builtin"
SILERO = "silero-vad"

# Short names and their ModelScope ids. The copy of paraformer-zh on another hub is the plain model
# without hotwords, so the id is spelled out.
HUB_IDS = {
    "paraformer-zh": "iic/speech_seaco_paraformer_large_asr_nat-zh-cn-16k-common-vocab8404-pytorch",
    "fsmn-vad": "iic/speech_fsmn_vad_zh-cn-16k-common-pytorch",
    "ct-punc": "iic/punc_ct-transformer_cn-en-common-vocab471067-large",
    "campplus": "iic/speech_campplus_sv_zh-cn_16k-common",
}
_HUB_ID = re.compile(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")
# Without these AutoModel cannot even begin.
_NEEDED = ("config.yaml", "model.pt")
CAMPPLUS_NEEDED = ("config.yaml", "campplus_cn_common.bin")


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
    """The ModelScope id of a name; None for the built-in model, silero and directories."""
    if name in ("builtin", SILERO) or is_directory(name):
        return None
    if name in HUB_IDS:
        return HUB_IDS[name]
    if _HUB_ID.match(name):
        return name
    raise ConfigError(
        f"asr.model: {name!r} is not a model: use builtin, paraformer-zh, a ModelScope id such as "
        "iic/NAME, or a directory (absolute, or beginning with ./)",
        f"asr.model：{name!r} 不是可用的模型；请使用 builtin、paraformer-zh、"
        "ModelScope 模型名或目录",
    )


def is_directory(name: str) -> bool:
    """Whether a name is meant as a path."""
    return name.startswith(("/", "./", "../", "~"))


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
    return any(
        all((directory / name).is_file() for name in needed)
        for needed in (_NEEDED, CAMPPLUS_NEEDED)
    )


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
    absent = [file for file in _NEEDED if not (directory / file).is_file()]
    if absent:
        raise ModelUnavailable(
            f"{key}: {directory} is not a FunASR model: {', '.join(absent)} is missing",
            f"{key}：{directory} 不是 FunASR 模型，缺少 {'、'.join(absent)}",
        )
    return directory
