"""The control channel takes its own messages and nothing else."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seacod import protocol
from seacod.errors import ProtocolError

MESSAGES = [
    protocol.Stage("importing", "正在导入", 30.0),
    protocol.Ready("builtin", "cpu", 3),
    protocol.Beat(1, 2, 3.5, 0),
    protocol.Fault("model", "没有模型", 69),
    protocol.Fault("engine", "x"),
    protocol.Drained(3, 0),
    protocol.Serve(),
    protocol.DrainMessage(30.0),
    protocol.Retire(),
    protocol.ReleaseGpuCache(),
    protocol.ReopenLogs(),
    protocol.Reload({"log.level": "debug"}),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda m: m.TYPE)
def test_a_message_survives_the_way(message: protocol.Message) -> None:
    line = protocol.encode(message)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert protocol.decode(line) == message


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"type":"unheard_of"}',
        b'{"type":["beat"]}',
        b'{"type":"beat"}',
        b'{"type":"serve","extra":1}',
        b'{"type":"drain","timeout_seconds":"30"}',
        b'{"type":"drain","timeout_seconds":true}',
        b'{"type":"fault","kind":"x","message":"y","exit_code":1.5}',
        b"\xff\xfe",
        b"[" * 30_000,
        b'{"type":"stage","text":"' + b"x" * protocol.MAX_LINE_BYTES + b'"}',
    ],
)
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(ProtocolError):
        protocol.decode(line)


@given(
    st.dictionaries(
        st.text(max_size=8), st.none() | st.integers() | st.text(max_size=8), max_size=4
    ),
    st.sampled_from(sorted(m.TYPE for m in MESSAGES)),
)
def test_no_object_makes_it_fall_over(body: dict[str, object], kind: str) -> None:
    with contextlib.suppress(ProtocolError):
        protocol.decode(json.dumps({**body, "type": kind}).encode())
