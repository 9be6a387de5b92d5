"""`seacod haproxy`: HAProxy's configuration in front of several nodes, from their real limits."""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor

from seacod.cli.balancing import Balanced, Balancer, rendered
from seacod.cli.fleet import host_url
from seacod.cli.options import add_key, api_key
from seacod.client import NEVER, Client
from seacod.client.answers import System
from seacod.errors import EX_OK, BadRequest, NotReady, SeacodError
from seacod.system.net.listen_address import check_port

HELP = "print the configuration of HAProxy in front of several nodes"
_TIMEOUT_SECONDS = 5.0
_AT_ONCE = 32


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "nodes", nargs="+", metavar="NODE",
        help="HOST or HOST:PORT as HAProxy reaches it; each is asked for its limits",
    )  # fmt: skip
    add_key(parser, "their API key")
    parser.add_argument(
        "--bind", default=":7800", metavar="ADDRESS", help="where people come in (:7800)"
    )
    parser.add_argument(
        "--certificate", default="", metavar="FILE",
        help="PEM with certificate and key: people come in by TLS, which microphones need",
    )  # fmt: skip
    parser.add_argument(
        "--queue-seconds", type=int, default=60, metavar="SECONDS",
        help="how long a request waits at HAProxy for a place before it is answered 503 (60)",
    )  # fmt: skip
    parser.add_argument(
        "--places", type=int, metavar="NUMBER",
        help="requests that each node takes, worked on and waiting; the nodes are then not asked",
    )  # fmt: skip
    parser.add_argument(
        "--shared-jobs", action="store_true", default=None,
        help="the nodes share their batches in PostgreSQL (with --places, which asks no node)",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Print the file.

    Raises:
        BadRequest: an option cannot be meant, or a node is none or tells nothing.
    """
    for name in ("places", "queue_seconds"):
        if (given := getattr(options, name)) is not None and given < 1:
            option = f"--{name.replace('_', '-')} {given}"
            raise BadRequest(f"{option}: must be at least 1", f"{option}：至少为 1")
    for given in (options.bind, options.certificate):
        if any(character.isspace() or character in "\"'\\#$" for character in given):
            raise BadRequest(
                f"{given!r} cannot stand in HAProxy's configuration; use another name",
                f"{given!r} 不能写入 HAProxy 的配置，请换用其他名称",
            )
    check_port(options.bind, "--bind")
    for node in options.nodes:
        if "/" in node or "," in node:
            raise BadRequest(
                f"{node!r} is no node; write HOST or HOST:PORT as HAProxy reaches it, several "
                "separated by blanks",
                f"{node!r} 不是节点地址；请写 HAProxy 可访问的 HOST 或 HOST:PORT，多个以空格分隔",
            )
    urls = [host_url(node, "seacod haproxy") for node in dict.fromkeys(options.nodes)]
    if options.places is not None:
        nodes = [Balanced(_address(url), options.places) for url in urls]
        shares = bool(options.shared_jobs)
    else:
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="seacod-ask") as pool:
            told = list(pool.map(lambda url: _ask(url, api_key(options)), urls))
        nodes = [Balanced(_address(u), _places(one)) for u, one in zip(urls, told, strict=True)]
        shares = _share(urls, told) if options.shared_jobs is None else True
    print(
        rendered(Balancer(nodes, shares, options.bind, options.certificate, options.queue_seconds)),
        end="",
    )
    return EX_OK


def _address(url: str) -> str:
    return url.partition("://")[2]


def _ask(url: str, key: str | None) -> System:
    try:
        with Client(url, key, retry=NEVER, silence_seconds=_TIMEOUT_SECONDS) as client:
            told = client.system()
            if told.service is None:
                raise NotReady("its supervisor does not answer", "其管理进程没有响应")
            return told
    except SeacodError as error:
        raise BadRequest(
            f"{_address(url)} does not tell its limits ({error.message}); start it, or say with "
            "--places how many requests each node takes (limits.concurrent_requests of all its "
            "workers and limits.queue_length)",
            f"{_address(url)} 没有给出其上限（{error.chinese}）；请启动该节点，或用 --places "
            "指定每个节点接受的请求数（所有识别进程的 limits.concurrent_requests 与 "
            "limits.queue_length 之和）",
        ) from None


def _places(told: System) -> int:
    assert told.service is not None
    workers = int(told.service.get("workers", 1))
    return workers * int(told.limits["concurrent_requests"]) + int(told.limits["queue_length"])


def _share(urls: list[str], told: list[System]) -> bool:
    """Whether any node answers for any batch.

    Raises:
        BadRequest: some do, others do not.
    """
    apart = [_address(u) for u, one in zip(urls, told, strict=True) if not one.shares_jobs]
    if apart and len(apart) < len(told):
        names = ", ".join(apart)
        raise BadRequest(
            f"{names}: has no results.database, and other nodes have; give all of them the same",
            f"{names}：没有设置 results.database，而其他节点已设置；请使所有节点一致",
        )
    return not apart
