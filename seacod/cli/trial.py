"""Where a trial (`seacod run --try`) lives beside another one: directories and ports of its own,
found before anything is loaded. What somebody has asked for is never changed."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seacod.config.load import load_settings
from seacod.errors import SeacodError
from seacod.paths import Paths
from seacod.supervisor.lock import ServiceLock

_MOST = 20
_PORTS = {"server.port": "server", "metrics.port": "metrics"}


def beside_others(asked: Mapping[str, Any], config: Path | None) -> dict[str, Any]:
    """What has to differ from the defaults, by dotted key; nothing where this is the only trial.

    Args:
        asked: the options that were given, by dotted key; None for those that were not.
        config: the configuration that was named; None for none.

    Raises:
        ConfigError: the settings are wrong.
    """
    settings = load_settings(config, options=asked, default_file=None)
    found: dict[str, Any] = {}
    for key, section in _PORTS.items():
        address = getattr(settings, section)
        is_free = _is_free(address.host, address.port)
        if asked.get(key) is None and address.port == type(address)().port and not is_free:
            found[key] = _free_port(address.host)
    paths = settings.paths
    if paths.runtime_directory or paths.state_directory or not is_held(Paths.resolve(settings)):
        return found
    before = Paths.resolve(settings)
    for number in range(2, _MOST):
        runtime = before.runtime.with_name(f"{before.runtime.name}-{number}")
        state = before.state.with_name(f"{before.state.name}-{number}")
        if not is_held(Paths(state, runtime, before.temp, before.models)):
            found["paths.runtime_directory"], found["paths.state_directory"] = runtime, state
            # What was fetched for the first one serves here, too.
            found["asr.models_directory"] = before.models
            break
    return found


def is_held(paths: Paths) -> bool:
    """Whether a service runs with one of these directories: the runtime directory may differ for
    the same user, by XDG_RUNTIME_DIR."""
    return any(_holds(path) for path in (paths.runtime_lock, paths.state_lock))


def _holds(path: Path) -> bool:
    if not path.exists():
        return False
    lock = ServiceLock(path)
    try:
        lock.take()
    except (SeacodError, OSError):
        return True
    lock.let_go()
    return False


def _is_free(host: str, port: int) -> bool:
    if port == 0:
        return True
    with _socket(host) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno != errno.EADDRINUSE
        except (TypeError, ValueError):
            pass
    # Of an address that is none, the start says so.
    return True


def _free_port(host: str) -> int:
    with _socket(host) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _socket(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
