"""What `seacod config check` looks at beyond the file itself: names that must exist, files that
must be readable. Not done at a start: a name server that is down must not keep the service from
serving.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from seacod.config.load import origin_of
from seacod.config.log import LogSettings
from seacod.config.schema import SECRETS, Settings
from seacod.config.secrets import find_secret, read_secret
from seacod.errors import ConfigError
from seacod.system.append_file import why_not


def log_file_problem(log: LogSettings) -> str | None:
    """Why no line could be written to `log.file`, in a sentence; None when one could."""
    reason = why_not(log.file) if log.file is not None else None
    return f"{log.file} cannot be opened for writing: {reason}" if reason else None


def check(
    settings: Settings,
    file: Path | None,
    alert_problems: Iterable[tuple[str, str]],
    asr_problems: Iterable[tuple[str, str]] = (),
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
            found.append((section, key, error.message))
    wanted, key = settings.outgoing, "callback_secret_file"
    if wanted.callback_hosts and find_secret(wanted, key) is None:
        found.append(("outgoing", key, "is missing: callbacks are signed, and refused without it"))
    words = settings.asr.hotwords_file
    if words is not None and (problem := _unreadable(words)):
        found.append(("asr", "hotwords_file", f"{words}: {problem}"))
    if found:
        lines = (
            f"{origin_of(file, key, section)}: {section}.{key}: {problem}"
            for section, key, problem in found
        )
        raise ConfigError("\n".join(lines))


def _unreadable(place: Path) -> str:
    """Why a file, or what is in a directory, cannot be read; empty when it can."""
    try:
        for file in sorted(place.glob("*.txt")) if place.is_dir() else [place]:
            file.open("rb").close()
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""
