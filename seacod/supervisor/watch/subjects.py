"""What alerts can be about at present: replicas, GPUs, directories, channels. One that an earlier
supervisor, or earlier settings, opened about something that is there no more would stay open for
ever, since nobody watches that any longer. Asked by `alerting.py`; put together by `watches.py`.
"""

from __future__ import annotations

from collections.abc import Sequence

from seacod.alerts.channels.registry import configured
from seacod.alerts.kinds import KINDS, About
from seacod.supervisor.replica import Replica
from seacod.supervisor.settings import SettingsHolder
from seacod.supervisor.watch.directories import INODES
from seacod.supervisor.watch.gpu_guard import GpuGuard, name_of
from seacod.supervisor.watch.gpu_sampler import GpuSampler, GpuState


class Subjects:
    """
    Args:
        settings: the holder of the settings.
        replicas: all of the service.
        gpus: what was read last.
        guards: who watch the memory of the GPUs that are used.
    """

    def __init__(
        self,
        settings: SettingsHolder,
        replicas: Sequence[Replica],
        gpus: GpuSampler,
        guards: Sequence[GpuGuard],
    ) -> None:
        self._settings = settings
        paths = settings.paths
        self._directories = {
            str(one) for one in (paths.state, paths.runtime, paths.temp, paths.jobs)
        }
        self._replicas = {one.name for one in replicas}
        self._gpus = gpus
        self._guards = guards

    def has(self, kind: str, key: str) -> bool:
        """Whether what this alert is about is there, or may be.

        Args:
            kind: a name of `KINDS`, of one that has an end.
            key: of the alert.
        """
        about = KINDS[kind].about
        if about is About.REPLICA:
            return key in self._replicas
        if about is About.DIRECTORY:
            return key.removeprefix(INODES) in self._directories
        if about is About.CHANNEL:
            return key in configured(self._settings.current.alerts)
        if about is About.GPU:
            return self._has_gpu(kind, key)
        return not key

    def _has_gpu(self, kind: str, key: str) -> bool:
        if self._gpus.state is GpuState.UNKNOWN:
            return True
        if kind == "gpu_lost":
            # Without a driver nobody can say that it is back.
            is_there = key in {*map(name_of, self._gpus.gpus), *self._lost()}
            return is_there or not key or self._gpus.state is GpuState.ABSENT
        watched = [guard.watches(self._gpus.gpus) for guard in self._guards]
        return None in watched or key in self._lost() or key in watched

    def _lost(self) -> set[str]:
        return {one.partition(":")[0] for one in self._gpus.lost}
