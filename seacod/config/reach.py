"""What `seacod config check` looks at beyond the file itself: names that must exist, files that
must be readable. Not done at a start: a name server that is down must not keep the service from
serving.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from seacod.config.explain import refused, told_of
from seacod.config.load import origin_of
from seacod.config.log import LogSettings
from seacod.config.schema import SECRETS, Settings
from seacod.config.secrets import find_secret, read_secret
from seacod.errors import ConfigError
from seacod.system.files.append_file import why_not
from seacod.system.text.words import Words, reason


def log_file_problem(log: LogSettings) -> Words | None:
    """Why no line could be written to `log.file`, in a sentence; None when one could."""
    why = why_not(log.file) if log.file is not None else None
    if why is None:
        return None
    return (
        f"{log.file} cannot be opened for writing: {why[0]}",
        f"{log.file} 无法打开写入：{why[1]}",
    )


def no_log_file(problem: Words) -> ConfigError:
    """What `log_file_problem` found, where it keeps the settings from being used."""
    return ConfigError(f"log.file: {problem[0]}", f"log.file：{problem[1]}")


def check(
    settings: Settings,
    file: Path | None,
    alert_problems: Iterable[tuple[str, Words]],
    asr_problems: Iterable[tuple[str, Words]] = (),
) -> None:
    """Raise what is wrong, all of it.

    Args:
        settings: as loaded.
        file: where from; None for the usual place.
        alert_problems: what the alerts themselves find wrong with their section: key and sentence.
        asr_problems: the same of recognition with its own.

    Raises:
        ConfigError: with one line for each thing, each with file and line.
    """
    found = [("alerts", *problem) for problem in alert_problems]
    if (trouble := log_file_problem(settings.log)) is not None:
        found.append(("log", "file", trouble))
    found += [("asr", *problem) for problem in asr_problems]
    for section, key, _ in SECRETS:
        try:
            read_secret(getattr(settings, section), key)
        except ConfigError as error:
            found.append((section, key, error.words))
    wanted, key = settings.outgoing, "callback_secret_file"
    if wanted.callback_hosts and find_secret(wanted, key) is None:
        found.append(("outgoing", key, (
            "is missing: callbacks are signed, and refused without it",
            "未设置：回调须签名，没有密钥时会被拒绝",
        )))  # fmt: skip
    words = settings.asr.hotwords_file
    if words is not None and (problem := _unreadable(words)) is not None:
        told = (f"{words}: {problem[0]}", f"{words}：{problem[1]}")
        found.append(("asr", "hotwords_file", told))
    if found:
        raise refused([
            told_of(origin_of(file, key, section), f"{section}.{key}", problem)
            for section, key, problem in found
        ])  # fmt: skip


def _unreadable(place: Path) -> Words | None:
    """Why a file, or what is in a directory, cannot be read; None when it can."""
    try:
        for file in sorted(place.glob("*.txt")) if place.is_dir() else [place]:
            file.open("rb").close()
    except OSError as error:
        return reason(error)
    return None
