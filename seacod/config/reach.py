"""What `seacod config check` looks at beyond the file itself: names that must exist, files that
must be readable. Not done at a start: a name server that is down must not keep the service from
serving.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from pathlib import Path

from seacod.config.load import origin_of
from seacod.config.schema import SECRETS, Settings
from seacod.config.secrets import read_secret
from seacod.errors import ConfigError


def check(settings: Settings, file: Path | None, alert_kinds: Collection[str]) -> None:
    """Raise what is wrong, all of it.

    Args:
        settings: as loaded.
        file: where from; None for the usual place.
        alert_kinds: those there are.

    Raises:
        ConfigError: with one line for each thing, each with file and line.
    """
    alerts, problems = settings.alerts, []

    def wrong(key: str, problem: str, section: str = "alerts") -> None:
        problems.append(f"{origin_of(file, key, section)}: {section}.{key}: {problem}")

    if alerts.mail_server:
        try:
            socket.getaddrinfo(alerts.mail_server, alerts.mail_port or 25)
        except OSError:
            wrong("mail_server", f"{alerts.mail_server!r}: there is no such host")
    for key in ("mail_ca_file",):
        path = getattr(alerts, key)
        if path is not None and not path.is_file():
            wrong(key, f"{path}: there is no such file")
    for section, key, _ in SECRETS:
        try:
            read_secret(getattr(settings, section), key)
        except ConfigError as error:
            wrong(key, error.message, section)
    for name in filter(None, (part.strip() for part in alerts.muted.split(","))):
        if name not in alert_kinds:
            wrong("muted", f"{name!r} is no kind of alert; they are: {', '.join(alert_kinds)}")
    if problems:
        raise ConfigError("\n".join(problems))
