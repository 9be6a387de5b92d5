"""Secrets: from a systemd credential or a file only the service can read, never from the yaml.

A secret is read where it is used and never kept in `Settings`, so nothing that prints settings
can print it; what was read is masked in log and alerts from then on (`system/text/masking.py`).
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from seacod.config.setting import Section
from seacod.errors import ConfigError, ConfigOutOfReach
from seacod.system.lasting import lasts_for_file
from seacod.system.text import masking
from seacod.system.text.words import reason

if TYPE_CHECKING:
    from seacod.config.schema import Settings

ENV_CREDENTIALS = "CREDENTIALS_DIRECTORY"
# Where systemd looks for LoadCredential=NAME:seacod.NAME (systemd.exec(5)).
CREDSTORE = Path("/etc/credstore")
# Lines of such a file that say where something is, which messages have to name.
_OPEN_LINE = re.compile(r"\s*(export\s+)?AWS_(ENDPOINT_URL\w*|REGION|DEFAULT_REGION)\s*=[^@]*")


def find_secret(section: Section, key: str) -> Path | None:
    """Where the secret lies: the systemd credential first, then the configured file.

    Args:
        section: of the settings.
        key: that of its settings which names the file; it declares the credential.
    """
    file: Path | None = getattr(section, key)
    credential = section.declared(key).credential
    directory = os.environ.get(ENV_CREDENTIALS)
    if directory and (Path(directory) / credential).is_file():
        return Path(directory) / credential
    if file is None and not directory:
        # A command of root's beside the service, which gets the same file from systemd.
        stored = CREDSTORE / f"seacod.{credential}"
        if os.access(stored, os.R_OK):
            return stored
    return file


def read_secret(section: Section, key: str) -> str | None:
    """The secret without its trailing newline, or None when none is configured; arguments as of
    `find_secret`.

    Raises:
        ConfigError: the file is not there, cannot be read, is empty, or others may read it.
    """
    path = find_secret(section, key)
    if path is None:
        return None
    credential = section.declared(key).credential
    try:
        mode = path.stat().st_mode
        # Credentials lie on a private ramfs and need no check of their own.
        if path == getattr(section, key) and mode & 0o007:
            raise ConfigError(
                f"{path}: holds a secret and everybody may read it; run: chmod o-rwx {path}",
                f"{path}：含有机密，任何人可读取；请执行 chmod o-rwx {path}",
            )
        # Editors of other systems begin a file with a byte order mark.
        secret = path.read_text(encoding="utf-8-sig").rstrip("\r\n")
    except OSError as error:
        why, chinese = reason(error)
        raise (ConfigError if lasts_for_file(error) else ConfigOutOfReach)(
            f"{path}: the secret {credential} cannot be read: {why}",
            f"{path}：无法读取机密 {credential}：{chinese}",
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(
            f"{path}: the secret {credential} is not text", f"{path}：机密 {credential} 不是文本"
        ) from None
    if not secret:
        raise ConfigError(
            f"{path}: the secret {credential} is empty", f"{path}：机密 {credential} 为空"
        )
    lines = (line for line in secret.splitlines() if _OPEN_LINE.fullmatch(line) is None)
    masking.remember("\n".join(lines))
    return secret


def remember_all(settings: Settings) -> None:
    """Have every configured secret masked from now on; one that cannot be read is somebody else's
    to tell, who needs it."""
    # Settings are made of sections, and those of channels need this file.
    from seacod.config.schema import SECRETS

    for section, key, _ in SECRETS:
        with contextlib.suppress(ConfigError):
            read_secret(getattr(settings, section), key)
