"""The workers that share the listening socket, as one of them sees it.

There are none unless `supervisor.workers` asks for several. Each tells the others how much it has
to do (`seacod/shared_load.py`), so that whoever has least accepts next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seacod.paths import Paths
from seacod.shared_load import SLOTS_A_REPLICA, SharedLoad
from seacod.worker.traffic import Traffic

if TYPE_CHECKING:
    from seacod.asr.service import TranscriptionService

# Answers of a neighbour that would come so many requests earlier are worth a new connection.
_MUCH_LESS = 2


class Neighbours:
    """
    Args:
        paths: of the service.
        slot: of this worker.
        replicas: how many workers there are to be.
    """

    def __init__(self, paths: Paths, slot: str, replicas: int) -> None:
        self.count = replicas
        number = int(slot.removeprefix("worker"))
        self.shared_load = SharedLoad(paths.shared_load, replicas * SLOTS_A_REPLICA, number)
        # Where this worker answers beside the shared socket, for the supervisor's probe.
        self.own_socket = paths.worker_socket(slot)

    def join(self, traffic: Traffic, service: TranscriptionService) -> None:
        """From now on show the other workers how much there is to do here."""

        def tell() -> None:
            # A microphone is work that lasts.
            self.shared_load.mine.active = traffic.active + service.live.sessions
            service.publish_load()

        traffic.on_change = tell
        traffic.is_better_elsewhere = self.is_better_elsewhere
        tell()

    def leave(self) -> None:
        """Show the other workers that this one accepts no more."""
        self.shared_load.leave()

    def are_present(self) -> bool:
        """Whether other workers accept now."""
        return bool(self.shared_load.others())

    def is_my_turn(self) -> bool:
        """Whether no other worker has less to do."""
        return self.shared_load.mine.active <= self.shared_load.least_active()

    def is_better_elsewhere(self) -> bool:
        """Whether another worker has much less to do, so that a client does well to connect
        anew."""
        return self.shared_load.mine.active >= self.shared_load.least_active() + _MUCH_LESS
