"""Feeds the actors: a few recordings for each at a time, and no more in memory than that.

An actor that dies, alone or with its node, costs another try of what it was at, never a file. What
was there when one died while its node lived on is a suspect and goes alone from then on; a second
death alone is its own fault, and it is set aside.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from seacod import __version__
from seacod.archive.cluster import other_seacod
from seacod.archive.inputs import Item
from seacod.archive.ledger import ArchiveLedger, LedgerEntry
from seacod.archive.progress import ArchiveProgress
from seacod.archive.sending import WHOLE_BYTES, OutgoingRecordings
from seacod.archive.slots import ActorSlot, ActorState, ArchiveTask
from seacod.asr.choice import SoundChoice
from seacod.errors import SeacodError
from seacod.formats.base import OutputFormat
from seacod.jobs.model import CRASHES_ARE_POISON
from seacod.system.files.digest import sha256_of
from seacod.system.text.terminal import printable

log = structlog.get_logger(__name__)

# For each actor at once: enough pieces for a batch, and the next while one is sent.
_AT_ONCE = 4
_LOOK_SECONDS = 0.5
# A node that has just gone is noticed by Ray within some seconds; so long a death is nobody's yet.
_NODE_SECONDS = 15.0
# An engine that cannot be made is tried again this often in a row before all is given up.
_STARTS = 3
_START_PAUSE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ArchiveOrder:
    """What is wanted of each recording.

    Args:
        wanted: format of the text.
        hotwords: for recordings without hotwords of their own.
        choice: what of them is to be heard.
        is_again: also transcribe what is done already.
        is_here: all engines are on this machine: they read its files themselves.
    """

    wanted: OutputFormat
    hotwords: str
    choice: SoundChoice
    is_again: bool
    is_here: bool


class Pool:
    """The places for engines, and what waits for them.

    Args:
        ray: the module, connected to a cluster.
        make: asks Ray for an actor.
        count: of places.
        items: what there is to do.
        order: what is wanted.
        ledger: where results go.
        progress: told of everything.
    """

    def __init__(
        self,
        ray: Any,
        make: Callable[[], Any],
        count: int,
        items: Sequence[Item],
        order: ArchiveOrder,
        ledger: ArchiveLedger,
        progress: ArchiveProgress,
    ) -> None:
        self._ray = ray
        self._make = make
        self._slots = [ActorSlot(number) for number in range(count)]
        self._waiting = collections.deque(ArchiveTask(item) for item in items)
        self._suspects: collections.deque[ArchiveTask] = collections.deque()
        self._order = order
        self._ledger = ledger
        self._progress = progress
        self._failed_starts = 0
        self._outbox = OutgoingRecordings()
        self._numbers = itertools.count(1)

    def run(self, tell: Callable[[], None]) -> None:
        """Work until every file is done or has failed.

        Args:
            tell: called now and then.

        Raises:
            SeacodError: no engine can be started.
        """
        self._skip_what_is_done()
        try:
            while self._waiting or self._suspects or any(p.running for p in self._slots):
                for slot in self._slots:
                    self._tend(slot)
                self._hear_from_them()
                tell()
        finally:
            for slot in self._slots:
                if slot.actor is not None:
                    self._ray.kill(slot.actor)

    # -- actors -------------------------------------------------------------------------------

    def _tend(self, slot: ActorSlot) -> None:
        """Ask for an actor where there is none; hand it what it can take."""
        pause = _START_PAUSE_SECONDS * self._failed_starts
        is_due = time.monotonic() - slot.since >= pause
        if slot.state is ActorState.GONE and is_due and self._is_another_wanted():
            slot.actor = self._make()
            slot.starting = slot.actor.start.remote()
            slot.move(ActorState.STARTING, "an engine is wanted")
        while slot.state is ActorState.READY and (task := self._next_for(slot)) is not None:
            self._hand(slot, task)

    def _is_another_wanted(self) -> bool:
        """Whether more recordings wait than engines are on their way: a few need no engine on each
        core."""
        coming = sum(slot.state is ActorState.STARTING for slot in self._slots)
        return len(self._waiting) + len(self._suspects) > coming

    def _next_for(self, slot: ActorSlot) -> ArchiveTask | None:
        if slot.is_alone or len(slot.running) >= _AT_ONCE or self._outbox.is_full:
            return None
        if self._suspects:
            # Whoever has finished what it is at takes one; the others go on with the rest.
            if not slot.running:
                return self._suspects.popleft()
            if slot is self._least_busy():
                return None
        return self._waiting.popleft() if self._waiting else None

    def _least_busy(self) -> ActorSlot:
        """The actor that is to run empty for a suspect recording."""
        ready = [one for one in self._slots if one.state is ActorState.READY and not one.is_alone]
        return min(ready, key=lambda one: (len(one.running), one.number))

    def _hand(self, slot: ActorSlot, task: ArchiveTask) -> None:
        task.handed_at = time.monotonic()
        if self._order.is_here or task.item.is_remote:
            self._have_heard(slot, task, None)
        else:
            self._send(slot, task)

    def _send(self, slot: ActorSlot, task: ArchiveTask) -> None:
        """Send the next piece of a recording of this machine; have it heard when that was all."""
        try:
            if task.sending is None:
                task.sending = self._outbox.begin(Path(task.item.source))
                piece = task.sending.piece(WHOLE_BYTES + 1)
                if len(piece) <= WHOLE_BYTES:
                    self._have_heard(slot, task, piece)
                    return
                task.number = next(self._numbers)
            else:
                piece = task.sending.piece()
        except OSError as error:
            if task.number:
                slot.actor.forget.remote(task.number)
            self._failed(slot, task, f"cannot be read: {error.strerror}")
            return
        if piece:
            slot.running[slot.actor.receive.remote(task.number, piece)] = task
        else:
            self._have_heard(slot, task, task.number)

    def _have_heard(self, slot: ActorSlot, task: ArchiveTask, sound: bytes | int | None) -> None:
        """Hand it over: as a whole, by what its engine calls it, or by its address."""
        if task.sending is not None:
            task.sha256 = task.sending.sha256
            _stop_sending(task)
        item, source = task.item, task.item.source
        if self._order.is_here and not item.is_remote:
            source = str(Path(source).absolute())
        words = self._order.hotwords if item.hotwords is None else item.hotwords
        ref = slot.actor.hear.remote(
            item.name, sound, source, words, self._order.choice, self._known(item)
        )
        slot.running[ref] = task

    def _hear_from_them(self) -> None:
        refs = {slot.starting: slot for slot in self._slots if slot.starting is not None}
        refs |= {ref: slot for slot in self._slots for ref in slot.running}
        if not refs:
            time.sleep(_LOOK_SECONDS)
            return
        ready, _ = self._ray.wait(list(refs), num_returns=1, timeout=_LOOK_SECONDS)
        for ref in ready:
            slot = refs[ref]
            try:
                told = self._ray.get(ref)
            except (
                self._ray.exceptions.RayActorError,
                # What it had to say was on a node that went away.
                self._ray.exceptions.ObjectLostError,
            ) as error:
                if slot.state is not ActorState.GONE:
                    # One that lives after all must not go on beside the engine in its slot.
                    self._ray.kill(slot.actor)
                    self._died(slot, _said(error))
            except self._ray.exceptions.RayTaskError as error:
                self._raised(slot, ref, error)
            else:
                self._answered(slot, ref, told)

    def _answered(self, slot: ActorSlot, ref: Any, told: Any) -> None:
        """Handle what a method of an actor returned."""
        if ref == slot.starting:
            slot.starting, slot.told = None, told
            # A node that came after all were asked.
            if (theirs := told.get("seacod", "?")) != __version__:
                raise other_seacod(slot.name, theirs)
            self._failed_starts = 0
            self._progress.joined(slot.name)
            slot.move(ActorState.READY, "the model is loaded", node=slot.name,
                       pid=told["pid"], device=told["device"])  # fmt: skip
            return
        task = slot.running.pop(ref)
        if task.sending is None:
            self._heard(slot, task, told)
        elif told:
            self._failed(slot, task, f"cannot be kept by its engine: {told}")
        else:
            self._send(slot, task)

    def _heard(self, slot: ActorSlot, task: ArchiveTask, told: dict[str, Any]) -> None:
        item = task.item
        entry = LedgerEntry(
            item.name, told["sha256"], "done", node=slot.name,
            audio_seconds=round(told.get("audio_seconds", 0.0), 3),
            seconds=round(time.monotonic() - task.handed_at, 3),
            output=item.output(self._order.wanted), error=told.get("error", ""),
            warnings=tuple(told.get("warnings", ())),
        )  # fmt: skip
        if "content" in told:
            self._ledger.done(entry, told["content"])
            self._progress.over(
                "done", item.size_bytes, node=slot.name, audio_seconds=entry.audio_seconds
            )
        elif "error" in told:
            self._over(
                LedgerEntry(item.name, told["sha256"], "failed", node=slot.name, error=entry.error),
                item,
            )
        else:
            self._progress.over("skipped", item.size_bytes)

    def _raised(self, slot: ActorSlot, ref: Any, error: Any) -> None:
        """Handle an exception of an actor that is still alive."""
        if ref == slot.starting:
            cause = error.cause if isinstance(error.cause, SeacodError) else error
            slot.starting = None
            self._start_failed(slot, _said(cause))
            return
        task = slot.running.pop(ref)
        log.error("file_broke", name=task.item.name, error=_said(error))
        self._failed(slot, task, f"an error of seacod's own: {_said(error)}")

    def _failed(self, slot: ActorSlot, task: ArchiveTask, error: str) -> None:
        """Write down that there will be no text of a recording that an engine was given."""
        _stop_sending(task)
        entry = LedgerEntry(task.item.name, task.sha256, "failed", node=slot.name, error=error)
        self._over(entry, task.item)

    def _died(self, slot: ActorSlot, cause: str) -> None:
        tasks, slot.running = list(slot.running.values()), {}
        if slot.starting is not None:
            slot.starting = None
            self._start_failed(slot, cause)
            return
        slot.move(ActorState.GONE, cause, node=slot.name, files=len(tasks))
        self._progress.left()
        slot.actor = None
        was_alone = len(tasks) == 1 and tasks[0].crashes > 0
        is_lost = self._node_is_gone(slot, wait=was_alone)
        for task in tasks:
            _stop_sending(task)
            if is_lost:
                # Nobody's fault: the next ones, as if nothing had been.
                (self._suspects if task.crashes else self._waiting).appendleft(task)
                continue
            task.crashes += 1
            log.warning("file_was_with_a_death", name=task.item.name, crashes=task.crashes)
            if task.crashes < CRASHES_ARE_POISON:
                self._suspects.append(task)
                continue
            told = f"the engine died {task.crashes} times while it heard this recording"
            entry = LedgerEntry(
                task.item.name, task.sha256, "poison", node=slot.name,
                error=f"{told}, the last time alone; it is set aside",
            )  # fmt: skip
            self._over(entry, task.item)

    def _start_failed(self, slot: ActorSlot, cause: str) -> None:
        slot.actor = None
        slot.move(ActorState.GONE, cause)
        self._failed_starts += 1
        # One node that cannot have an engine ends no run of others that can.
        if any(one.state is ActorState.READY for one in self._slots):
            return
        if self._failed_starts >= _STARTS * len(self._slots):
            raise SeacodError(f"no engine can be started: {cause}", f"无法启动识别引擎：{cause}")

    def _node_is_gone(self, slot: ActorSlot, *, wait: bool) -> bool:
        """Whether the actor's node has gone, too.

        Args:
            wait: Ray may not have noticed yet, and a verdict depends on it.
        """
        deadline = time.monotonic() + (_NODE_SECONDS if wait else 0.0)
        while True:
            alive = {node["NodeID"] for node in self._ray.nodes() if node["Alive"]}
            if slot.told.get("node") not in alive:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_SECONDS)

    # -- files --------------------------------------------------------------------------------

    def _known(self, item: Item) -> list[str]:
        """The hash of its content when that has its text already; otherwise nothing."""
        entry = self._ledger.entries.get(item.name)
        if entry is None or self._order.is_again:
            return []
        output = item.output(self._order.wanted)
        is_done = self._ledger.is_done(item.name, entry.sha256, output)
        return [entry.sha256] if is_done else []

    def _skip_what_is_done(self) -> None:
        """Leave out what is done already, before any engine is made. Recordings that lie elsewhere
        are checked by the engines that read them."""
        left = []
        for task in self._waiting:
            known, sha256 = self._known(task.item), ""
            if known and not task.item.is_remote:
                # One that cannot be read is told when its turn comes.
                with contextlib.suppress(OSError):
                    sha256 = sha256_of(Path(task.item.source))
            if sha256 in known:
                self._progress.over("skipped", task.item.size_bytes)
            else:
                left.append(task)
        self._waiting = collections.deque(left)

    def _over(self, entry: LedgerEntry, item: Item) -> None:
        """Write down that a file has no text."""
        self._ledger.note(entry)
        self._progress.over(entry.state, item.size_bytes, node=entry.node)
        log.info("file_has_no_text", name=item.name, state=entry.state, error=entry.error)
        print(printable(f"{item.name}: {entry.error}"), file=sys.stderr, flush=True)  # noqa: T201


def _stop_sending(task: ArchiveTask) -> None:
    """Let go of the file: all of it is on its way, or nobody is there any more."""
    if task.sending is not None:
        task.sending.end()
    task.sending, task.number = None, 0


def _said(error: Exception) -> str:
    """The last line of an error of Ray's, which brings whole tracebacks along."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    is_traceback = any(line.lstrip().startswith(("Traceback", 'File "')) for line in lines)
    return (lines[-1] if is_traceback else lines[0]).strip()
