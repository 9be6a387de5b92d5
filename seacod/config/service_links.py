"""Variables that Kubernetes and Docker put into a container for each service beside it. Beside one
that is called `seacod`, they begin as our settings do.

https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_HOST = re.compile(r"(SEACOD(?:_[A-Z0-9_]+)?)_SERVICE_HOST")
_REST = re.compile(r"_SERVICE_HOST|_SERVICE_PORT(_[A-Z0-9_]+)?|_PORT_\d+_(TCP|UDP|SCTP)(_[A-Z]+)?")
_ADDRESS = re.compile(r"(tcp|udp|sctp)://.*")


def service_links(environment: Mapping[str, str]) -> frozenset[str]:
    """The names of variables that tell of services called `seacod` or `seacod-...`."""
    bases = {match[1] for name in environment if (match := _HOST.fullmatch(name))}
    return frozenset(
        name
        for base in bases
        for name, value in environment.items()
        if name.startswith(base) and _is_link(name.removeprefix(base), value)
    )


def _is_link(rest: str, value: str) -> bool:
    # SEACOD_METRICS_PORT is a setting's name, too; an address is no setting's value.
    return bool(_REST.fullmatch(rest) or (rest == "_PORT" and _ADDRESS.fullmatch(value)))
