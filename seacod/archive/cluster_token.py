"""The token of a Ray cluster: whether it wants one, and whether ours is the right one, before Ray
itself is asked to connect. Called by `cluster.py` alone.

Ray leaves much to whoever connects: with an address it does not use the token that lies there; who
shows one where none is wanted waits for engines for good; and where one is to be shown and there is
none, it ends the process (all of it seen with 2.60).
"""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Iterator
from typing import Any

from seacod.errors import ConfigError

_MODE = "RAY_AUTH_MODE"
_TOKEN, _OPEN = "token", "disabled"


def settle(address: str, place: str) -> None:
    """See what the cluster wants, and have Ray do that.

    Args:
        address: as it was typed.
        place: host and port of the cluster.

    Raises:
        ConfigError: the token is missing or wrong, or RAY_AUTH_MODE says something else than the
            cluster does.
        ConnectionError: whatever listens there is no cluster, or one that hangs.
    """
    if not _knows_tokens():
        return
    asked = os.environ.get(_MODE, "").lower()
    mode = asked
    try:
        mode = _mode(address, place, asked)
    finally:
        _be(mode)


def _mode(address: str, place: str, asked: str) -> str:
    """How this process has to come to the cluster; raises as `settle` does."""
    if not _is_refused(place, _OPEN):
        if asked == _TOKEN:
            raise _needs_none(address)
        return _OPEN
    if asked == _OPEN:
        raise _needs_mode(address)
    # First of all: Ray ends a process that has to show a token and has none.
    if not _has_token():
        raise _missing(address)
    if _is_refused(place, _TOKEN):
        raise _wrong(address)
    return _TOKEN


def _knows_tokens() -> bool:
    return hasattr(_ray_itself(), "AuthenticationTokenLoader")


def _is_refused(place: str, mode: str) -> bool:
    """Whether the cluster refuses who comes like that.

    Raises:
        ConnectionError: whatever listens there is no cluster, or one that hangs.
    """
    from ray.exceptions import AuthenticationError

    _be(mode)
    _ray_itself().AuthenticationTokenLoader.instance().reset_cache()
    try:
        with _silence():
            _ray_itself().GcsClient(address=place, cluster_id=None)
    except AuthenticationError:
        return True
    except Exception as error:
        # Of kinds that Ray does not name.
        raise ConnectionError(str(error) or type(error).__name__) from None
    return False


def _has_token() -> bool:
    """Whether there is a token in RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token."""
    from ray.exceptions import AuthenticationError

    loader = _ray_itself().AuthenticationTokenLoader.instance()
    try:
        try:
            return bool(loader.has_token(ignore_auth_mode=True))
        except TypeError:
            # Ray before 2.60 looks for a token only in this mode.
            _be(_TOKEN)
            return bool(loader.has_token())
    except AuthenticationError:
        # RAY_AUTH_TOKEN_PATH names a file that is not there, or empty.
        return False


def _be(mode: str) -> None:
    """Have Ray in this process, and in those it starts, be in this mode; empty: as it likes."""
    if mode:
        os.environ[_MODE] = mode
    else:
        os.environ.pop(_MODE, None)
    # Read once, when Ray was imported.
    _ray_itself().Config.initialize("")


def _ray_itself() -> Any:
    """What Ray's own commands use for this; nothing public does."""
    return importlib.import_module("ray._raylet")


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Ray's C++ writes a line about each refusal to the descriptor itself, before it has a log."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


_WHERE = "~/.ray/auth_token, RAY_AUTH_TOKEN_PATH or RAY_AUTH_TOKEN"


def _missing(address: str) -> ConfigError:
    return ConfigError(
        f"--ray {address}: the cluster wants its token, and there is none here; copy the head's "
        "~/.ray/auth_token to the same place on this machine, or name it with RAY_AUTH_TOKEN_PATH",
        f"--ray {address}：该集群要求令牌，而本机没有；请把首节点的 ~/.ray/auth_token "
        "复制到本机同一位置，或用 RAY_AUTH_TOKEN_PATH 指定",
    )


def _wrong(address: str) -> ConfigError:
    return ConfigError(
        f"--ray {address}: the cluster does not accept the token of this machine ({_WHERE}, "
        "whichever is set); it has to be the head's",
        f"--ray {address}：集群不接受本机的令牌（RAY_AUTH_TOKEN、RAY_AUTH_TOKEN_PATH 或 "
        "~/.ray/auth_token）；必须与首节点的令牌相同",
    )


def _needs_mode(address: str) -> ConfigError:
    return ConfigError(
        f"--ray {address}: the cluster wants its token, and {_MODE}={_OPEN} is set here; unset it",
        f"--ray {address}：该集群要求令牌，而本机设置了 {_MODE}={_OPEN}；请取消该设置",
    )


def _needs_none(address: str) -> ConfigError:
    return ConfigError(
        f"--ray {address}: {_MODE}={_TOKEN} is set here, and the cluster was started without "
        f"tokens; start every node of it with {_MODE}={_TOKEN}, or unset it",
        f"--ray {address}：本机设置了 {_MODE}={_TOKEN}，而集群启动时未启用令牌；"
        f"请以 {_MODE}={_TOKEN} 启动集群的每个节点，或取消该设置",
    )


def unreadable(address: str) -> ConfigError:
    """What to say of a token that Ray wants to show and cannot read."""
    return ConfigError(
        f"--ray {address}: the token that is named here cannot be read ({_WHERE}); put it there, "
        "or unset the variable",
        f"--ray {address}：无法读取所指定的令牌（RAY_AUTH_TOKEN_PATH、RAY_AUTH_TOKEN 或 "
        "~/.ray/auth_token）；请放置令牌，或取消该变量",
    )
