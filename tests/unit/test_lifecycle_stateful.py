"""The lives of workers through whatever comes, in simulated time: random ends, hangs, reloads,
recycling, stops and clocks, in any order. The promises are `World.check` and what it calls.

`STATEFUL_EXAMPLES=5000` looks longer, at other examples each time, and
makes the one that fails as small as it can.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from simulated_worker import Plan
from simulation import World, quiet

_EXAMPLES = int(os.environ.get("STATEFUL_EXAMPLES", "0"))

STATUSES = st.sampled_from([0, 1, 69, 78, 137, -6, -9, -11, -15])
ILLNESSES = st.sampled_from(["silent", "stuck", "deaf"])
PLANS = st.builds(
    Plan,
    load_seconds=st.sampled_from([0.1, 3.0, 20.0]),
    exit_at_start=st.sampled_from([None, None, None, 1, 69, -9]),
    never_ready=st.sampled_from([False, False, False, True]),
    exit_on_serve=st.sampled_from([None, None, None, 1]),
    fork_seconds=st.sampled_from([0.005, 2.0, 30.0]),
    ignores_term=st.booleans(),
    ignores_drain=st.booleans(),
    ignores_kill=st.sampled_from([False, False, False, True]),
    drain_seconds=st.sampled_from([0.0, 1.0, 30.0]),
)


class Service(RuleBasedStateMachine):
    """Everything that can happen to a service and its workers."""

    world: World

    @initialize(
        count=st.sampled_from([1, 1, 2]),
        notice=st.sampled_from([0.0, 30.0]),
        seed=st.integers(0, 3),
    )
    def begins(self, count: int, notice: float, seed: int) -> None:
        self.world = World(count, seed, server={"drain_notice_seconds": notice})
        self.threads = 1

    @rule(seconds=st.sampled_from([0.05, 0.6, 1.0, 4.0, 10.0, 45.0, 90.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_seconds(seconds)

    @rule()
    def all_is_well_for_a_while(self) -> None:
        self.world.plan = Plan()
        self.world.pass_seconds(70)

    @rule(plan=PLANS)
    def workers_behave_otherwise(self, plan: Plan) -> None:
        self.world.plan = plan

    @rule(which=st.integers(0, 7), status=STATUSES, is_out_of_memory=st.booleans())
    def a_worker_ends(self, which: int, status: int, is_out_of_memory: bool) -> None:
        if alive := self.world.alive():
            self.world.memory_kills += is_out_of_memory and status == -9
            alive[which % len(alive)].exit(status)

    @rule(illness=ILLNESSES, number=st.integers(0, 1))
    def a_worker_hangs(self, illness: str, number: int) -> None:
        accepting = [one for one in self.world.alive() if one.accepts]
        if accepting:
            accepting[number % len(accepting)].fall_ill(illness)

    @rule(jump=st.sampled_from([-86_400.0, -1.0, 3600.0]))
    def the_wall_clock_is_set(self, jump: float) -> None:
        self.world.set_wall_clock(jump)

    @rule(seconds=st.sampled_from([3.0, 6.0, 600.0]))
    def the_supervisor_stands_still(self, seconds: float) -> None:
        self.world.stand_still(seconds)
        self.world.pass_seconds(4)

    @rule()
    def a_reload_changes_what_takes_effect_at_once(self) -> None:
        length = self.world.file.limits.queue_length % 50 + 1
        self.world.configure(limits={"queue_length": length})
        self.world.reload()

    @rule(
        behaviour=st.sampled_from(
            [{}, {}, {"exit_at_start": 78}, {"never_ready": True}, {"exit_on_serve": 1}]
        )
    )
    def a_reload_needs_new_workers(self, behaviour: dict[str, object]) -> None:
        self.threads += 1
        self.world.bad_threads[self.threads] = behaviour
        self.world.configure(asr={"cpu_threads": self.threads})
        self.world.reload()

    @rule()
    def a_reload_is_refused(self) -> None:
        self.world.is_file_broken = True
        self.world.reload()
        self.world.is_file_broken = False

    @rule(number=st.integers(0, 1), may_overlap=st.booleans())
    def a_fresh_worker_is_wanted(self, number: int, may_overlap: bool) -> None:
        self.world.recycle(number % len(self.world.workers.lives), may_overlap=may_overlap)

    @precondition(lambda self: len(self.world.processes) > 3)
    @rule()
    def it_is_stopped(self) -> None:
        self.world.stop()

    def teardown(self) -> None:
        if hasattr(self, "world"):
            try:
                self.world.finish()
            finally:
                self.world.close()


def test_whatever_happens_the_promises_hold() -> None:
    with quiet():
        run_state_machine_as_test(
            Service,
            settings=settings(
                max_examples=_EXAMPLES or 40,
                stateful_step_count=25,
                deadline=None,
                derandomize=not _EXAMPLES,
                # Making an example smaller takes minutes.
                phases=[Phase.generate, *([Phase.shrink] if _EXAMPLES else [])],
                database=None,
                suppress_health_check=list(HealthCheck),
                print_blob=False,
            ),
        )
