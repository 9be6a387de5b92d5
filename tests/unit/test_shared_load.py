"""What workers tell each other, and whom it makes accept and admit."""

from __future__ import annotations

from pathlib import Path

import pytest
from queueing import admitted

from seacod import shared_load
from seacod.accelerators.base import Gpu
from seacod.asr.admission import Admission
from seacod.errors import QueueFull
from seacod.shared_load import Line, SharedLoad
from seacod.supervisor.replica import Replica
from seacod.supervisor.workers.placement import replicas


def pair(directory: Path) -> tuple[SharedLoad, SharedLoad]:
    path = directory / "shared-load"
    SharedLoad.fresh(path, 32)
    return SharedLoad(path, 32, 0), SharedLoad(path, 32, 16)


def test_each_reads_what_the_other_wrote_and_not_itself(tmp_path: Path) -> None:
    one, other = pair(tmp_path)
    assert one.others() == []
    other.mine = Line(3.0, 2.0, 61.5, 20.0, 1.0)
    other.write()
    one.write()
    assert one.others() == [Line(3.0, 2.0, 61.5, 20.0, 1.0)]
    assert other.others() == [Line()]


def test_a_line_that_is_not_renewed_counts_for_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = pair(tmp_path)
    other.write()
    now = shared_load.time.monotonic()
    monkeypatch.setattr(shared_load.time, "monotonic", lambda: now + shared_load.FRESH_SECONDS + 1)
    assert one.others() == []


def test_who_has_left_writes_no_more_and_who_died_is_wiped(tmp_path: Path) -> None:
    one, other = pair(tmp_path)
    other.write()
    other.leave()
    other.write()
    assert one.others() == []
    one.write()
    SharedLoad(tmp_path / "shared-load", 32).clear(0)
    assert other.others() == []


def test_a_service_begins_with_an_empty_board(tmp_path: Path) -> None:
    one, other = pair(tmp_path)
    other.write()
    SharedLoad.fresh(tmp_path / "shared-load", 32)
    assert SharedLoad(tmp_path / "shared-load", 32, 0).others() == []
    # Workers of the service before keep the old file, which nobody reads any more.
    assert len(one.others()) == 1


def test_the_queue_is_that_of_all_workers_together() -> None:
    lines = [Line(inside=4.0, outstanding_seconds=300.0, speed=10.0)]
    queue = Admission(3, 1, 1000.0, lambda: 10.0, others=lambda: lines)
    # Two run, three wait: four there leave one place here.
    request = admitted(queue)
    with pytest.raises(QueueFull) as refusal:
        admitted(queue)
    assert refusal.value.retry_after_seconds == 8  # half of 300 s at 20 a second
    queue.leave(request)
    queue.queue_seconds = 350.0
    request = admitted(queue)
    with pytest.raises(QueueFull, match="5 minutes of audio are waiting"):
        queue.weigh(request, 100.0)
    lines.clear()
    queue.weigh(request, 100.0)


def test_what_each_worker_is_at_waits_nowhere() -> None:
    queue = Admission(3, 1, 1000.0, lambda: 10.0, others=lambda: [Line(inside=2.0)])
    # One runs at each of the two, three wait; the other one has one of each.
    for _ in range(3):
        admitted(queue)
    with pytest.raises(QueueFull):
        admitted(queue)


def gpu(uuid: str) -> Gpu:
    return Gpu("NVIDIA", 0, uuid, "Fake", 0, 1, None, None, None, False, None)


@pytest.mark.parametrize(
    ("wanted", "gpus", "expected"),
    [
        ("1", ["GPU-a", "GPU-b"], [None]),
        ("auto", [], [None]),
        ("auto", ["GPU-a"], [None]),
        ("auto", ["GPU-a", "GPU-b"], ["GPU-a", "GPU-b"]),
        ("2", [], [None, None]),
        ("3", ["GPU-a", "GPU-b"], ["GPU-a", "GPU-b", "GPU-a"]),
    ],
)
def test_who_gets_which_gpu(wanted: str, gpus: list[str], expected: list[str | None]) -> None:
    made = replicas(wanted, [gpu(uuid) for uuid in gpus])
    assert [replica.gpu and replica.gpu.uuid for replica in made] == expected
    slots = [slot for replica in made for slot in replica.slots]
    assert len(set(slots)) == len(slots)


def test_one_worker_sees_what_the_service_sees() -> None:
    assert "CUDA_VISIBLE_DEVICES" not in Replica().environment()
    assert Replica(1, 2, gpu("GPU-b")).visible_to({"CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b"}) == {
        "CUDA_VISIBLE_DEVICES": "GPU-b",
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }
