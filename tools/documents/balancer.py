"""HAProxy's configuration as an example: what `seacod haproxy` prints for two nodes with the limits
that are the defaults."""

from __future__ import annotations

import os
from unittest import mock

from seacod.cli.balancing import Balanced, Balancer, rendered
from seacod.config.schema import Settings


def example() -> str:
    limits = Settings().limits
    places = limits.concurrent_requests + limits.queue_length
    nodes = [Balanced(f"10.0.0.{number}:7860", places) for number in (11, 12)]
    with mock.patch.dict(os.environ, {"LC_ALL": "C.UTF-8"}):
        return rendered(Balancer(nodes, False, ":7800", "", 60))
