"""What HAProxy is told about several nodes: the file that `seacod haproxy` prints. Its template,
which has the reason for each line, is beside this file. Asks nobody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seacod.system.text.terminal import in_language as say

# Of the places in a node's queue, so many stay free for what comes past HAProxy's queue: requests
# of people who are logged in, who have to be at their node.
_KEPT_FREE = 4
# HAProxy's largest.
_HEAVIEST = 256
_AWAY = (
    "all places are taken or the node is away; try again in a moment",
    "没有空位，或节点暂时离开，请稍后重试",
)


@dataclass(frozen=True, slots=True)
class Balanced:
    """A node.

    Args:
        address: HOST:PORT.
        places: requests that it takes, worked on and waiting; one more is refused.
    """

    address: str
    places: int


@dataclass(frozen=True, slots=True)
class Balancer:
    """
    Args:
        nodes: at least one.
        shares_jobs: whether any of them answers for any batch.
        bind: where people come in.
        certificate: file with certificate and key; empty for no TLS.
        queue_seconds: how long a request waits for a place.
    """

    nodes: Sequence[Balanced]
    shares_jobs: bool
    bind: str
    certificate: str
    queue_seconds: int


def most_at_once(places: int) -> int:
    """Requests that HAProxy has at a node at a time."""
    return max(1, places - places // _KEPT_FREE)


def rendered(balancer: Balancer) -> str:
    """The whole file."""
    # Only this command needs it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"), undefined=StrictUndefined,
        autoescape=select_autoescape(),
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    most = [most_at_once(one.places) for one in balancer.nodes]
    heaviest = max(_HEAVIEST, *most)
    nodes = [
        {
            "address": one.address,
            "most_at_once": at_once,
            "weight": max(1, at_once * _HEAVIEST // heaviest),
        }
        for one, at_once in zip(balancer.nodes, most, strict=True)
    ]
    body = {"error": {"code": "busy", "message": _AWAY[0], "message_zh": _AWAY[1]}}
    return templates.get_template("haproxy.cfg.j2").render(
        balancer=balancer,
        nodes=nodes,
        names=" ".join(f"node{number}" for number, _ in enumerate(nodes, 1)),
        away=json.dumps(body, ensure_ascii=False),
        remark=_remark,
    )


def _remark(english: str, chinese: str, indent: int = 4) -> str:
    """A comment, as wide as the lines around it."""
    lines = say(english, chinese).split("\n")
    return "\n".join(f"{' ' * indent}# {line.strip()}" for line in lines)
