"""The models that tell speakers apart: where they are, and how they are fetched.

CAM++ lies on ModelScope. The weights of Resemblyzer's encoder are in that package's wheel on the
package index (Apache-2.0): only they are taken out of it, nothing of it is installed.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from seacod.config.model_names import HUB_IDS
from seacod.errors import ModelUnavailable, NoSpeakerModel
from seacod.models import manifest, registry
from seacod.system.files.digest import sha256_of
from seacod.system.net.proxies import proxy_for

RESEMBLYZER = "resemblyzer"
CAMPPLUS = "campplus"
CAMPPLUS_WEIGHTS = registry.CAMPPLUS_NEEDED[1]
_RELEASE = "0.1.4"
_WEIGHTS = "pretrained.pt"
_TAKEN = {
    f"resemblyzer/{_WEIGHTS}": _WEIGHTS,
    f"Resemblyzer-{_RELEASE}.dist-info/LICENSE": "LICENSE",
}
_SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
_MOST_BYTES = 32 << 20
_PIP_SECONDS = 600


@dataclass(frozen=True, slots=True)
class SpeakerModel:
    """A speaker encoder on this machine."""

    name: str
    directory: Path


def resolve(wanted: str, models_directory: Path) -> SpeakerModel:
    """The encoder that `asr.speaker_model` means.

    Args:
        wanted: the setting; `auto` takes CAM++ where it was fetched.
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
    for name in (CAMPPLUS, RESEMBLYZER) if wanted == "auto" else (wanted,):
        directory = _directory(name, models_directory)
        if all((directory / file).is_file() for file in _needed(name)):
            return SpeakerModel(name, directory)
    name = RESEMBLYZER if wanted == "auto" else wanted
    raise NoSpeakerModel(
        f"speakers: there is no speaker model on this service; its operator fetches one with: "
        f"seacod model fetch {name}",
        f"speakers：本服务没有说话人模型；请管理员执行 seacod model fetch {name}",
    )


def is_one(name: str) -> bool:
    """Whether this is the name of a speaker model, or of the wheel one is in."""
    return name in (CAMPPLUS, RESEMBLYZER) or name.endswith(".whl")


def fetch(
    name: str, models_directory: Path, hub_token: str | None, say: Callable[[str], None]
) -> Path:
    """Bring a speaker model to this machine, if it is not here yet.

    Args:
        name: `campplus`, `resemblyzer`, or the path of Resemblyzer's wheel, for machines without a
            package index.
        models_directory: where models are kept.
        hub_token: of ModelScope.
        say: told how far it is.

    Returns:
        Its directory.

    Raises:
        ModelUnavailable: it cannot be fetched; with what to do.
    """
    if name == CAMPPLUS:
        from seacod.models import fetch as hub

        return hub.fetch(HUB_IDS[CAMPPLUS], models_directory, hub_token, say)
    final = _directory(RESEMBLYZER, models_directory)
    if all((final / file).is_file() for file in _needed(RESEMBLYZER)):
        return final
    models_directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".speakers-", dir=models_directory) as place:
        if name == RESEMBLYZER:
            say(f"{name}: from the package index")
            wheel = _downloaded(Path(place))
        else:
            wheel = Path(name)
        part = Path(place) / RESEMBLYZER
        _take_out(wheel, part)
        manifest.write(part, RESEMBLYZER)
        shutil.rmtree(final, ignore_errors=True)
        part.rename(final)
    return final


def _directory(name: str, models_directory: Path) -> Path:
    if name == CAMPPLUS:
        return registry.fetched_directory(models_directory, HUB_IDS[CAMPPLUS])
    return models_directory / name


def _needed(name: str) -> tuple[str, ...]:
    return registry.CAMPPLUS_NEEDED if name == CAMPPLUS else (_WEIGHTS,)


def _downloaded(place: Path) -> Path:
    """The wheel, by pip, which knows this machine's index, proxy and certificates."""
    command = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-deps", "--only-binary=:all:", "--dest", str(place), f"resemblyzer=={_RELEASE}",
    ]  # fmt: skip
    result = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=_PIP_SECONDS
    )
    wheels = sorted(place.glob("*.whl"))
    if result.returncode or not wheels:
        last = (result.stderr.strip().splitlines() or ["pip"])[-1]
        cause = last, f"pip：{last}"
        proxy = proxy_for("https://package-index.invalid/")
        if proxy is not None and proxy.problem:
            cause = proxy.problem
        raise ModelUnavailable(
            f"the wheel of Resemblyzer {_RELEASE} cannot be downloaded from the package index "
            f"({cause[0]}); "
            "download it elsewhere and name its file: seacod model fetch "
            f"./Resemblyzer-{_RELEASE}-py3-none-any.whl",
            f"无法从软件包索引下载 Resemblyzer {_RELEASE}（{cause[1]}）；请在其他机器下载后执行 "
            f"seacod model fetch ./Resemblyzer-{_RELEASE}-py3-none-any.whl",
        )
    return wheels[0]


def _take_out(wheel: Path, directory: Path) -> None:
    """The weights and their licence, if they are what they should be."""
    directory.mkdir()
    try:
        with zipfile.ZipFile(wheel) as archive:
            for inside, outside in _TAKEN.items():
                if archive.getinfo(inside).file_size > _MOST_BYTES:
                    raise ValueError(f"{inside} is bigger than it should be")
                (directory / outside).write_bytes(archive.read(inside))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelUnavailable(
            f"{wheel} is not the wheel of Resemblyzer {_RELEASE} ({error})",
            f"{wheel} 不是 Resemblyzer {_RELEASE} 的安装包",
        ) from None
    if sha256_of(directory / _WEIGHTS) != _SHA256:
        raise ModelUnavailable(
            f"{wheel}: the weights in it are not those of Resemblyzer {_RELEASE}; they were "
            "changed, and are not used",
            f"{wheel}：其中的权重与 Resemblyzer {_RELEASE} 发布的不一致，拒绝使用",
        )
