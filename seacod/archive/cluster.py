"""The Ray cluster of an archive: connects to it, sees that every node has this seacod, and says
what is wrong in a sentence. Called by `command.py`; nothing is heard here.
"""

from __future__ import annotations

import logging
import os
import platform
import re
import socket
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from seacod import __version__
from seacod.archive import cluster_token
from seacod.errors import BadRequest, ConfigError, NotRunning
from seacod.system.net.listen_address import check_port
from seacod.system.text.terminal import in_language, printable
from seacod.system.text.words import Words, reason

_KNOCK_SECONDS = 5.0
# Ray starts a Python on a node that has none at rest; a busy one takes long for it.
_VERSION_SECONDS = 120.0
_IN_RAYS_WORDS = re.compile(r"Ray: (\S+)\s+Python: (\S+)")


def connected(address: str) -> Any:
    """Connect Ray to the cluster.

    Args:
        address: auto, local, or HOST:PORT.

    Returns:
        The module `ray`.

    Raises:
        ConfigError: Ray is not installed, the cluster has another one or another Python, or the
            token is missing or wrong.
        BadRequest: the address cannot be understood.
        NotRunning: no cluster answers at this address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Whoever cannot import our package here cannot there either: no copy of it travels.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    if address not in ("auto", "local"):
        _knock(address)
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "--ray needs Ray: install seacod[ray], on every node the same version "
            "(pip install ray fsspec obstore in seacod's environment)",
            "--ray 需要 Ray：请在每个节点安装 seacod[ray]"
            "（在 seacod 的环境中 pip install ray fsspec obstore）",
        ) from None
    logging.getLogger("ray").setLevel(logging.ERROR)
    quietly = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": False}
    try:
        if address == "local":
            ray.init(address="local", include_dashboard=False, **quietly)
        else:
            if (place := _place(address)) is not None:
                cluster_token.settle(address, place)
            ray.init(address=address, **quietly)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        if address == "local":
            raise NotRunning(
                f"--ray local: Ray cannot be started on this machine: {said}",
                f"--ray local：本机无法启动 Ray：{said}",
            ) from None
        raise other_python(address, str(error)) or _no_cluster(address, (said, said)) from None
    except getattr(ray.exceptions, "AuthenticationError", ()) as error:
        raise cluster_token.unreadable(address) from error
    return ray


def _place(address: str) -> str | None:
    """Host and port of the cluster; None when Ray has to find out itself.

    Raises:
        NotRunning: nobody listens where the cluster was.
        ConnectionError: Ray knows of none.
    """
    from ray._private import services

    place = str(services.canonicalize_bootstrap_address_or_die(address))
    if "://" in place:
        # Of Ray's client, which is another protocol.
        return None
    if address == "auto":
        # Ray remembers one that has ended, and would try for long.
        _knock(place, address)
    return place


def _knock(place: str, address: str | None = None) -> None:
    """See whether the address answers, since Ray itself would try for minutes.

    Raises:
        BadRequest: the address cannot be understood.
        NotRunning: nobody listens there.
    """
    address = address or place
    check_port(address, "--ray")
    parts = urlsplit(place if "://" in place else f"//{place}")
    try:
        port = parts.port
    except ValueError:
        port = None
    if not parts.hostname or port is None:
        raise BadRequest(
            f"--ray {address}: not the address of a cluster; write HOST:PORT, auto or local",
            f"--ray {address}：地址无效；请写 主机:端口、auto 或 local",
        )
    try:
        socket.create_connection((parts.hostname, port), _KNOCK_SECONDS).close()
    except OSError as error:
        raise _no_cluster(address, reason(error)) from None


def _no_cluster(address: str, cause: Words) -> NotRunning:
    english, chinese = cause
    return NotRunning(
        f"--ray {address}: no Ray cluster answers ({english}); start one with 'ray start --head', "
        "or use --ray local",
        f"--ray {address}：没有可用的 Ray 集群（{chinese}）；请先运行 ray start --head，"
        "或使用 --ray local",
    )


def other_python(address: str, told: str) -> ConfigError | None:
    """What to say when the cluster has another Ray or Python than this process.

    Args:
        address: of the cluster.
        told: Ray's own words; None is returned for any others.
    """
    found = _IN_RAYS_WORDS.findall(told)
    if "ersion mismatch" not in told or len(found) != 2:
        return None
    (their_ray, their_python), (our_ray, our_python) = found
    return ConfigError(
        f"--ray {address}: the cluster has Ray {their_ray} on Python {their_python}, this machine "
        f"Ray {our_ray} on Python {our_python}; install the same of both on every node, this one "
        "included",
        f"--ray {address}：集群为 Ray {their_ray}、Python {their_python}，本机为 Ray {our_ray}、"
        f"Python {our_python}；请在每个节点（包括本机）安装相同版本",
    )


def refuse_other_versions(ray: Any, needs: Mapping[str, float]) -> None:
    """See that every node that may get an engine has this seacod, and this Python.

    Args:
        ray: the module, connected.
        needs: what an engine is given, by Ray's names: `num_cpus`, `num_gpus`.

    Raises:
        ConfigError: a node has another one, or none.
    """
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    asked = {}
    for node in ray.nodes():
        if not node["Alive"] or not _has_room(node["Resources"], needs):
            continue
        only_there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        task = ray.remote(_asks_version()).options(
            num_cpus=0, max_retries=0, scheduling_strategy=only_there
        )
        asked[task.remote()] = node["NodeManagerHostname"]
    ready, late = ray.wait(list(asked), num_returns=len(asked), timeout=_VERSION_SECONDS)
    for ref in ready:
        try:
            theirs, python = ray.get(ref)
        except ray.exceptions.RayError:
            # It went away meanwhile.
            late.append(ref)
            continue
        if theirs != __version__ or python != platform.python_version():
            raise other_seacod(asked[ref], theirs, python)
    for ref in late:
        print(printable(_does_not_answer(asked[ref])), file=sys.stderr)  # noqa: T201


def _has_room(resources: Mapping[str, float], needs: Mapping[str, float]) -> bool:
    return all(
        resources.get(name, 0) >= needs.get(key, 0)
        for name, key in (("CPU", "num_cpus"), ("GPU", "num_gpus"))
    )


def _asks_version() -> Any:
    """A function that travels as it is, since the node's seacod may not have it."""

    def version() -> tuple[str, str]:
        import platform

        try:
            import seacod
        except ImportError:
            return "", platform.python_version()
        return seacod.__version__, platform.python_version()

    return version


def other_seacod(node: str, theirs: str, python: str = "") -> ConfigError:
    """What to say when a node has another seacod, or none.

    Args:
        node: its name.
        theirs: its version of seacod; empty when there is none.
        python: its version of Python, where that is known.
    """
    ours = platform.python_version()
    python = python or ours
    if not theirs:
        return ConfigError(
            f"--ray: node {node} has no seacod (this machine has {__version__}): its Ray runs in "
            "another environment; install seacod[ray] there, and start its ray from seacod's own "
            "environment",
            f"--ray：节点 {node} 上没有 seacod（本机为 {__version__}）：其 Ray 运行在另一个环境中；"
            "请在该节点安装 seacod[ray]，并用 seacod 环境中的 ray 启动",
        )
    return ConfigError(
        f"--ray: node {node} has seacod {theirs} on Python {python}, this machine {__version__} on "
        f"Python {ours}; install the same version on every node and start its ray again",
        f"--ray：节点 {node} 为 seacod {theirs}、Python {python}，本机为 {__version__}、"
        f"Python {ours}；请在每个节点安装相同版本，并重新启动其 ray",
    )


def _does_not_answer(node: str) -> str:
    return in_language(
        f"node {node} did not say which seacod it has; engines there say it when they start",
        f"节点 {node} 没有报告 seacod 版本；其引擎启动时会再次检查",
    )
