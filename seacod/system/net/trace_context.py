"""Which trace a request belongs to: W3C Trace Context, https://www.w3.org/TR/trace-context/. A
request without one begins its own, so that each has an id by which others can ask for it.

Written by the web side (`web/middleware/traces.py`), read by who exports; nothing is sent here.
"""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass

# Version, trace, parent, flags; a later version may have more behind it.
_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class TraceParent:
    """Where a request comes from, by its own word.

    Args:
        trace_id, span_id: hexadecimal digits, 32 and 16.
        is_sampled: whether the caller records it.
    """

    trace_id: str
    span_id: str
    is_sampled: bool


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A request's place in a trace.

    Args:
        trace_id: of the whole, 32 hexadecimal digits.
        span_id: of the request in this service, 16 of them.
        parent_id: of what called it; empty where nobody said.
        is_sampled: whether it is exported.
    """

    trace_id: str
    span_id: str
    parent_id: str
    is_sampled: bool

    @property
    def response(self) -> str:
        """The value of the header `traceresponse`."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.is_sampled):02x}"


# Of the request that is being answered; None outside of any.
current: ContextVar[TraceContext | None] = ContextVar("seacod-trace", default=None)


def parse(header: str) -> TraceParent | None:
    """What a header `traceparent` says; None where it says nothing that counts."""
    found = _PARENT.fullmatch(header.strip())
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if version == "ff" or (version == "00" and more is not None):
        return None
    if not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceParent(trace_id, span_id, bool(int(flags, 16) & _SAMPLED))


def entered(parent: TraceParent | None, *, is_sampled: bool) -> TraceContext:
    """The place of a request that comes in.

    Args:
        parent: what called it, if that is known.
        is_sampled: whether it is exported.
    """
    if parent is None:
        return TraceContext(new_trace_id(), new_span_id(), "", is_sampled)
    return TraceContext(parent.trace_id, new_span_id(), parent.span_id, is_sampled)


def new_trace_id() -> str:
    """32 hexadecimal digits, not all zero."""
    return f"{1 + secrets.randbelow((1 << 128) - 1):032x}"


def new_span_id() -> str:
    """16 hexadecimal digits, not all zero."""
    return f"{1 + secrets.randbelow((1 << 64) - 1):016x}"
