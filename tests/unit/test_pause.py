"""A pause: what is written down, who is told, and what is refused meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import stat
import threading
import time
from pathlib import Path

import pytest
import typed
from hypothesis import given
from hypothesis import strategies as st
from simulated_worker import Plan
from simulation import World
from starlette.applications import Starlette
from starlette.testclient import TestClient

from seacod import pause, protocol
from seacod.errors import CannotWrite, Paused
from seacod.pause import Pause
from seacod.supervisor.bus import AlertCleared, AlertRaised, Bus, PauseChanged
from seacod.supervisor.pausing import FORGOTTEN_SECONDS, Pausing
from seacod.supervisor.systemd.heartbeats import TaskHeartbeats
from seacod.web.middleware.quota import QuotaGate
from seacod.web.readiness import Readiness

MAINTENANCE = Pause("maintenance until 14:00", 1000.0, 60)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pause.json"
    assert pause.read(path) is None
    pause.write(path, MAINTENANCE)
    found = pause.read(path)
    assert found is not None
    assert (found.reason, found.retry_after_seconds) == (MAINTENANCE.reason, 60)
    # When it began is the file's own time: no number in it can be wrong.
    assert abs(found.since - time.time()) < 3600
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[]", '{"reason": 7}', '{"retry_after_seconds": "soon"}', "[" * 90_000,
     '{"retry_after_seconds": true}', '{"retry_after_seconds": -5}', "\x00\xff"],
)  # fmt: skip
def test_a_file_that_cannot_be_understood_is_a_pause_all_the_same(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "pause.json"
    path.write_text(text)
    found = pause.read(path)
    assert found is not None
    assert found.reason == ""
    assert 1 <= found.retry_after_seconds <= pause.LONGEST_RETRY_SECONDS


@given(st.text())
def test_a_reason_is_one_printable_line(reason: str) -> None:
    line = pause.one_line(reason)
    assert line.isprintable()
    assert len(line) <= pause.LONGEST_REASON
    assert line == " ".join(line.split())


def test_it_is_noticed_told_once_and_outlives_what_cannot_be_read(tmp_path: Path) -> None:
    bus, told = Bus(), []
    bus.subscribe(PauseChanged, lambda event: told.append(event.pause))
    one = Pausing(tmp_path / "pause.json", bus, TaskHeartbeats(time.monotonic))
    one.look()
    assert told == []
    pause.write(tmp_path / "pause.json", MAINTENANCE)
    for _ in range(3):
        one.look()
    assert [p.reason for p in told] == [MAINTENANCE.reason]
    # Something that is no file: what holds goes on.
    (tmp_path / "pause.json").unlink()
    (tmp_path / "pause.json").mkdir()
    one.look()
    assert one.current is not None
    (tmp_path / "pause.json").rmdir()
    one.look()
    assert told[1:] == [None]


def test_a_pause_that_lasts_for_hours_is_told_once_and_that_it_is_over(tmp_path: Path) -> None:
    path, now, told = tmp_path / "pause.json", [time.time()], []
    bus = Bus()
    bus.subscribe(AlertRaised, lambda event: told.append(event.english + event.chinese))
    bus.subscribe(AlertCleared, lambda event: told.append("over"))
    # Another one of after a restart: the pause is as old as its file.
    for one in (Pausing(path, bus, TaskHeartbeats(time.monotonic), lambda: now[0]) for _ in "ab"):
        pause.write(path, MAINTENANCE)
        told.clear()
        now[0] = path.stat().st_mtime + FORGOTTEN_SECONDS - 60
        one.look()
        one._remind()
        assert told == []
        now[0] += 120
        for _ in range(3):
            one.look()
            one._remind()
        assert len(told) == 1
        assert "paused for 4.0 hours (maintenance until 14:00)" in told[0]
        assert "已暂停 4.0 小时（maintenance until 14:00）" in told[0]
    # Paused again, with another reason: somebody knows of it.
    told.clear()
    now[0] = time.time() + 10
    pause.write(path, Pause("longer"))
    one.look()
    one._remind()
    assert told == ["over"]
    path.unlink()
    one.look()
    assert told == ["over", "over"]


def test_each_pause_that_is_forgotten_is_told(tmp_path: Path) -> None:
    path, now, told = tmp_path / "pause.json", [0.0], []
    bus = Bus()
    bus.subscribe(AlertRaised, lambda event: told.append(event.kind))
    one = Pausing(path, bus, TaskHeartbeats(time.monotonic), lambda: now[0])
    for times in (1, 2):
        pause.write(path, MAINTENANCE)
        now[0] = path.stat().st_mtime + FORGOTTEN_SECONDS + 60
        for _ in range(2):
            one.look()
            one._remind()
        assert told == ["paused"] * times
        path.unlink()
        one.look()


def test_a_pause_that_ends_while_no_service_runs_is_over(tmp_path: Path) -> None:
    bus, told = Bus(), []
    bus.subscribe(AlertCleared, lambda event: told.append(event.kind))
    one = Pausing(tmp_path / "pause.json", bus, TaskHeartbeats(time.monotonic))
    for _ in range(2):
        one.look()
    assert told == ["paused"]


def test_every_worker_hears_of_it_also_the_ones_to_come(make: type[World]) -> None:
    world = make(2).started()
    first, second = world.front(0), world.front(1)
    world.bus.publish(PauseChanged(MAINTENANCE))
    wanted = protocol.PausedMessage(True, MAINTENANCE.reason, 1000.0, 60)
    assert world.heard(first, protocol.PausedMessage) == [wanted]
    assert world.heard(second, protocol.PausedMessage) == [wanted]
    world.plan = Plan()
    first.exit(-9)
    world.started()
    # Before it serves.
    kinds = [type(said) for worker, said in world.said if worker is world.front(0)]
    assert kinds.index(protocol.PausedMessage) < kinds.index(protocol.Serve)
    world.bus.publish(PauseChanged(None))
    assert world.heard(second, protocol.PausedMessage)[1:] == [protocol.PausedMessage(is_on=False)]


def test_one_that_leaves_hears_of_it_too(make: type[World]) -> None:
    world = make()
    world.plan = Plan(drain_seconds=15.0)
    first = world.started().front()
    world.recycle(0)
    world.until(lambda: world.front() is not first, 10)
    assert first.is_alive
    # On connections that are open new work comes to it still.
    world.bus.publish(PauseChanged(MAINTENANCE))
    assert [one.is_on for one in world.heard(first, protocol.PausedMessage)] == [True]


def test_what_is_new_is_refused_with_the_reason_and_when_to_come_back() -> None:
    def admit(client: str) -> None:
        raise MAINTENANCE.refusal()

    gate = QuotaGate(Starlette(), admit, lambda who, route, error: None)
    with TestClient(gate) as client:
        answer = client.post("/transcribe", content=b"sound")
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "60"
        error = answer.json()["error"]
        assert error["code"] == "paused"
        assert MAINTENANCE.reason in error["message"]
        assert MAINTENANCE.reason in error["message_zh"]
        with client.websocket_connect("/live") as socket:
            assert socket.receive_json()["error"]["code"] == "paused"


def test_a_paused_worker_is_not_ready_and_a_drain_comes_first() -> None:
    readiness = Readiness()
    assert readiness.status == "ok"
    readiness.pause = MAINTENANCE
    assert readiness.status == "paused"
    readiness.is_retiring = True
    assert readiness.status == "retiring"


def test_without_a_reason_there_is_none_in_the_sentence() -> None:
    refusal = Pause(retry_after_seconds=5).refusal()
    assert isinstance(refusal, Paused)
    assert refusal.retry_after_seconds == 5
    assert "present;" in refusal.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_is_closed_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "pause.json"
    path.write_text(json.dumps({}))
    path.chmod(0)
    with pytest.raises(OSError, match="denied"):
        pause.read(path)


def test_a_full_disk_is_not_taken_for_a_user_who_may_not(small_disk: Path) -> None:
    with contextlib.suppress(OSError):
        (small_disk / "filler").write_bytes(bytes(32 << 20))
    config = small_disk.parent / "seacod.yaml"
    config.write_text(
        f"paths: {{state_directory: {small_disk}, runtime_directory: {small_disk.parent}/run}}\n"
    )
    done = typed.seacod("pause", "--config", config)
    assert done.returncode == CannotWrite.exit_code
    assert "No space left on device" in done.stderr
    assert "sudo" not in done.stderr


def test_a_file_system_that_hangs_holds_nobody_up_and_what_holds_goes_on(tmp_path: Path) -> None:
    """A pipe in place of the file: reading waits for ever, until somebody opens its other end."""
    path = tmp_path / "pause.json"
    pause.write(path, MAINTENANCE)
    one = Pausing(path, Bus(), TaskHeartbeats(time.monotonic))
    one.look()
    path.unlink()
    os.mkfifo(path)

    async def looks() -> None:
        task = asyncio.ensure_future(one.run())
        while not one._trouble:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        before = threading.active_count()
        for _ in range(3):
            await one._look_aside()
        assert threading.active_count() == before, "who hangs is waited for, not asked again"
        assert one.current is not None
        task.cancel()
        await asyncio.wait({task})
        # It answers again.
        os.close(os.open(path, os.O_WRONLY))
        path.unlink()
        while one.current is not None:
            await one._look_aside()

    asyncio.run(looks())
