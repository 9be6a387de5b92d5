"""The watch over GPU memory as arithmetic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from seacod.accelerators.base import Gpu
from seacod.config.gpu import GpuSettings
from seacod.config.schema import Settings
from seacod.supervisor.bus import AlertCleared, Bus
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.watch.gpu_guard import GpuGuard, UnusedGpus, WorkerOnGpu
from seacod.supervisor.watch.gpu_limits import STEPS, GpuStep, GpuWatch, limit_bytes

MIB = 1 << 20
TOTAL = 12_288 * MIB


def gpu(used_mib: int, *, is_mig: bool = False) -> Gpu:
    return Gpu("NVIDIA", 0, "GPU-0", "Fake", used_mib * MIB, TOTAL, None, None, None, is_mig, None)


def steps(watch: GpuWatch, *readings: tuple[int, int | None]) -> list[str]:
    """The moves that these readings (used, own; MiB) lead to."""
    moves = []
    for used, own in readings:
        verdict = watch.look(gpu(used), None if own is None else own * MIB)
        if verdict is not None:
            moves.append(verdict.step.value)
    return moves


def test_three_readings_in_a_row_not_two_and_one() -> None:
    watch = GpuWatch(GpuSettings())
    high, low = (11_500, 11_000), (5_000, 4_500)
    assert steps(watch, high, high, low, high, high) == []
    assert steps(watch, high) == ["released"]


def test_first_the_cache_then_the_worker_then_no_more_until_again() -> None:
    watch = GpuWatch(GpuSettings())
    high = (11_500, 11_000)
    assert steps(watch, *[high] * 3) == ["released"]
    assert steps(watch, *[high] * 3) == ["replaced"]
    assert steps(watch, *[(3_000, 2_500)] * 3) == ["calm"]


def test_the_absolute_limit_of_the_original_practice() -> None:
    """11.5 GB of 12, 22 GB of 24, whichever is tighter."""
    settings = GpuSettings(limit_bytes=11_000 * MIB, limit_ratio=0.9)
    assert limit_bytes(gpu(0), settings) == 11_000 * MIB
    assert limit_bytes(gpu(0), GpuSettings()) == int(TOTAL * 0.9)


def test_hysteresis() -> None:
    watch = GpuWatch(GpuSettings(limit_bytes=10_000 * MIB, clear_margin_ratio=0.1))
    assert steps(watch, *[(10_500, 10_000)] * 3) == ["released"]
    # Below the limit, but not by the margin: neither worse nor over.
    assert steps(watch, *[(9_500, 9_000)] * 10) == []
    assert steps(watch, *[(8_900, 8_500)] * 3) == ["calm"]


def test_other_peoples_memory_is_only_said() -> None:
    watch = GpuWatch(GpuSettings())
    assert steps(watch, *[(11_500, 1_500)] * 30) == ["foreign"]
    assert steps(watch, *[(2_000, 1_500)] * 3) == ["calm"]


def test_without_knowing_whose_it_is_nothing_of_ours_is_touched() -> None:
    watch = GpuWatch(GpuSettings())
    assert steps(watch, *[(11_500, None)] * 30) == ["foreign"]


def test_mig_is_left_alone() -> None:
    watch = GpuWatch(GpuSettings(readings=1))
    assert watch.look(gpu(12_000, is_mig=True), 12_000 * MIB) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 12_288), st.one_of(st.none(), st.integers(0, 12_288))),
        max_size=200,
    )
)
def test_whatever_is_read_only_moves_of_the_table_and_never_for_a_neighbour(
    readings: list[tuple[int, int | None]],
) -> None:
    watch = GpuWatch(GpuSettings(readings=2))
    before = watch.step
    for used, own in readings:
        held = None if own is None else min(own, used) * MIB
        verdict = watch.look(gpu(used), held)
        if verdict is not None:
            assert verdict.step in STEPS[before]
            before = verdict.step
            if verdict.step is GpuStep.REPLACED:
                assert held is not None
                assert held * 2 >= used * MIB


class _Holder:
    """The settings of a service, with the defaults."""

    current = Settings()


def test_a_full_gpu_that_nothing_of_ours_uses_is_said_of_a_model_on_the_processor() -> None:
    devices = ["cpu"]
    unused = UnusedGpus(_Holder(), lambda: devices)  # type: ignore[arg-type]
    for _ in range(3):
        unused.sampled([gpu(11_800)])
    assert unused.full_by_others == {"GPU-0"}
    for _ in range(3):
        unused.sampled([gpu(2_000)])
    assert unused.full_by_others == frozenset()


def test_of_a_model_on_a_gpu_that_ones_own_guard_says_it() -> None:
    unused = UnusedGpus(_Holder(), lambda: ["cuda:0"])  # type: ignore[arg-type]
    for _ in range(6):
        unused.sampled([gpu(11_800)])
    assert unused.full_by_others == frozenset()


class Workers:
    """On that GPU, with all of its memory."""

    released = 0

    def look(self) -> WorkerOnGpu:
        return WorkerOnGpu("cuda:0", {}, frozenset({1}), 8_600 * MIB)

    def release_cache(self) -> None:
        self.released += 1

    def replace_largest(self, cause: str) -> None: ...


def test_new_limits_are_those_of_the_next_reading() -> None:
    limits = {"limit_ratio": 0.9, "readings": 1}
    holder = SettingsHolder(
        Settings.model_validate({"gpu": limits}),
        lambda: Settings.model_validate({"gpu": limits}),
    )
    workers = Workers()
    guard = GpuGuard(holder, workers, Bus())
    guard.sampled([gpu(8_600)])
    assert workers.released == 0
    limits["limit_ratio"] = 0.5
    holder.reload()
    guard.sampled([gpu(8_600)])
    assert workers.released == 1


def test_calm_readings_end_once_what_another_supervisor_may_have_told() -> None:
    settings = Settings.model_validate({"gpu": {"limit_ratio": 0.9, "readings": 2}})
    over: list[tuple[str, str]] = []
    bus = Bus()
    bus.subscribe(AlertCleared, lambda one: over.append((one.kind, one.key)))
    guard = GpuGuard(SettingsHolder(settings, lambda: settings), Workers(), bus)
    for used, told in ((11_800, 0), (8_600, 0), (8_600, 2), (8_600, 2)):
        guard.sampled([gpu(used)])
        assert len([one for one in over if one[0] != "gpu_lost"]) == told
    assert {("gpu_memory", "GPU 0"), ("gpu_foreign", "GPU 0")} < set(over)
