#!/usr/bin/env python3
"""Attacks a private service with what has hurt one before, and with mutations of ordinary requests
and recordings, while a bystander asks it for texts.

    python tools/attack.py [--inputs N] [--seed N] [--json]

Says what became of the inputs, of the worker, of its memory, descriptors and files, and how much
longer the bystander waited than alone. Exit code 1 when the worker was replaced, answered with a
5xx other than 503 and 507, or did not give back what it took. Takes two or three minutes for 10,000
inputs on two cores. Only ever a service that it starts itself.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import psutil
from attacking import inputs, wire
from attacking.wire import Target

from seacod.asr import audio
from seacod.models.examples import EXAMPLES, examples
from seacod.proving.service import PrivateService, free_port, private_service
from seacod.proving.sounds import wav
from seacod.system import credentials

_ATTACKERS = 4
_ALONE_SECONDS = 20.0
# The bystander's, between two recordings: it is there to notice, not to be the load.
_PAUSE_SECONDS = 0.2
_SETTLE_SECONDS = 90.0
# What may stay of what an attack took: caches that are bounded, libraries loaded late.
_KEPT_BYTES = 768 << 20
_KEPT_DESCRIPTORS = 64


@dataclass
class Seen:
    """What an attack did."""

    inputs: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    bystander: Counter[str] = field(default_factory=Counter)
    alone_p99_ms: float = 0.0
    under_attack_p99_ms: float = 0.0
    same_worker: bool = False
    memory_before: int = 0
    memory_most: int = 0
    memory_after: int = 0
    descriptors_before: int = 0
    descriptors_most: int = 0
    descriptors_after: int = 0
    files_most: int = 0
    files_after: int = 0

    @property
    def ratio(self) -> float:
        return self.under_attack_p99_ms / max(1e-9, self.alone_p99_ms)

    def problems(self) -> list[str]:
        found = list(self.wrong[:20])
        if not self.same_worker:
            found.append("the worker was replaced")
        if self.memory_after - self.memory_before > _KEPT_BYTES:
            found.append("the worker kept memory")
        if self.descriptors_after - self.descriptors_before > _KEPT_DESCRIPTORS:
            found.append("the worker kept descriptors")
        if self.files_after:
            found.append(f"{self.files_after} files of uploads were left")
        strange = set(self.bystander) - {"200", "503"}
        if strange:
            found.append(f"the bystander got {', '.join(sorted(strange))}")
        return found


class Bystander(threading.Thread):
    """Somebody with recordings of his own, from an address of his own."""

    def __init__(self, target: Target) -> None:
        super().__init__(daemon=True)
        self._target = target
        self._is_over = threading.Event()
        self._samples = audio.decode(EXAMPLES / examples()[0]["file"], max_seconds=60)
        self._text = examples()[0]["text"]
        self.answers: Counter[str] = Counter()
        self.waited: list[float] = []

    def run(self) -> None:
        number = 0
        while not self._is_over.wait(_PAUSE_SECONDS):
            number += 1
            began = time.monotonic()
            # Each is a little different, so that no cache knows it.
            content = wav(self._samples, number)
            status, body = wire.transcribe(self._target, content, timeout_seconds=120)
            if status == "200" and self._text not in body:
                status = "200 with another text"
            self.answers[status] += 1
            if status == "200":
                self.waited.append(time.monotonic() - began)

    def end(self) -> None:
        self._is_over.set()
        self.join(150)

    @property
    def p99_ms(self) -> float:
        ordered = sorted(self.waited)
        return 1000 * ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))] if ordered else 0.0


class Watch(threading.Thread):
    """Looks at the worker while it is attacked."""

    def __init__(self, service: PrivateService, seen: Seen) -> None:
        super().__init__(daemon=True)
        self._uploads = service.directory / "state" / "uploads"
        self._worker = psutil.Process(worker_pid(service))
        self._seen = seen
        self._is_over = threading.Event()

    def run(self) -> None:
        while not self._is_over.wait(0.2):
            with contextlib.suppress(psutil.Error, OSError):
                memory, descriptors, files = self.now()
                self._seen.memory_most = max(self._seen.memory_most, memory)
                self._seen.descriptors_most = max(self._seen.descriptors_most, descriptors)
                self._seen.files_most = max(self._seen.files_most, files)

    def now(self) -> tuple[int, int, int]:
        """Resident bytes, open descriptors, files of uploads."""
        files = sum(len(names) for _, _, names in os.walk(self._uploads))
        return self._worker.memory_info().rss, self._worker.num_fds(), files

    def end(self) -> None:
        self._is_over.set()
        self.join()


def worker_pid(service: PrivateService) -> int:
    return int(service.status()["worker"]["pid"])


def attack(service: PrivateService, keys: dict[str, str], count: int, seed: int) -> Seen:
    """Everything there is, and mutations until there were `count` inputs.

    Args:
        service: to be attacked.
        keys: of the bystander and of the attackers that have one.
        count: how many inputs.
        seed: the same one makes the same inputs.
    """
    seen, chance = Seen(), random.Random(seed)
    bystander = Target.of(service.url, "127.0.0.1", key=keys["bystander"])
    alone = Bystander(bystander)
    alone.start()
    time.sleep(_ALONE_SECONDS)
    alone.end()
    seen.alone_p99_ms = alone.p99_ms
    before, watch = worker_pid(service), Watch(service, seen)
    seen.memory_before, seen.descriptors_before, _ = watch.now()
    watch.start()
    beside = Bystander(bystander)
    beside.start()
    _send_all(service, keys["attacker"], count, chance, seen)
    beside.end()
    seen.bystander, seen.under_attack_p99_ms = beside.answers, beside.p99_ms
    _settle(watch, seen)
    seen.wrong += _broken(service.directory / "log")
    watch.end()
    seen.same_worker = worker_pid(service) == before
    return seen


def _send_all(
    service: PrivateService, key: str, count: int, chance: random.Random, seen: Seen
) -> None:
    status = service.status()
    metrics, funasr = str((status.get("metrics") or {}).get("url", "")), status["funasr_url"]
    # Every fourth has no key: what stands before the login is attacked, too.
    targets = [
        Target.of(service.url, f"127.0.1.{n + 1}", metrics, funasr, key if n else "")
        for n in range(_ATTACKERS)
    ]
    lock = threading.Lock()

    def send(target: Target, one: inputs.Input) -> None:
        status = one.send(target)
        with lock:
            seen.inputs += one.weight
            seen.answers[status] += 1
            if status.startswith("5") and status not in ("503", "507"):
                seen.wrong.append(f"{one.name}: {status}")

    def attacker(target: Target) -> None:
        while True:
            # Made when it is sent: some are big.
            with lock:
                one = next(source, None)
            if one is None:
                return
            send(target, one)

    source = inputs.all_of_them(chance, count)
    with ThreadPoolExecutor(_ATTACKERS) as attackers:
        for _ in attackers.map(attacker, targets):
            pass


def _settle(watch: Watch, seen: Seen) -> None:
    """Wait until what was taken is given back, for a while."""
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        seen.memory_after, seen.descriptors_after, seen.files_after = watch.now()
        is_settled = (
            not seen.files_after
            and seen.descriptors_after - seen.descriptors_before <= _KEPT_DESCRIPTORS
        )
        if is_settled or time.monotonic() > deadline:
            return
        time.sleep(0.5)


def _broken(log: Path) -> list[str]:
    """What the service itself says has broken."""
    found = []
    for line in log.read_text("utf-8", "replace").splitlines():
        with contextlib.suppress(ValueError):
            told = json.loads(line)
            if str(told.get("event", "")).endswith("_broke") and told["event"] != "decoder_broke":
                found.append(f"in the log: {line[:2000]}")
    return found


def describe(seen: Seen) -> str:
    mib = 1 << 20
    answers = ", ".join(f"{status} x {count}" for status, count in seen.answers.most_common())
    bystander = ", ".join(f"{status} x {count}" for status, count in seen.bystander.most_common())
    return (
        f"{seen.inputs} inputs: {answers}\n"
        f"worker: {'the same' if seen.same_worker else 'REPLACED'}; memory "
        f"{seen.memory_before // mib} MiB, at most {seen.memory_most // mib}, then "
        f"{seen.memory_after // mib}; descriptors {seen.descriptors_before}, at most "
        f"{seen.descriptors_most}, then {seen.descriptors_after}; uploads at most "
        f"{seen.files_most} files, then {seen.files_after}\n"
        f"bystander: {bystander}; p99 {seen.alone_p99_ms:.0f} ms alone, "
        f"{seen.under_attack_p99_ms:.0f} ms beside the attack: {seen.ratio:.1f} times"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--json", action="store_true", help="everything, as one JSON object")
    options = parser.parse_args()
    keys = {name: credentials.new_key() for name in ("bystander", "attacker")}
    hashed = " ".join(f"{name}:{credentials.hash_key(key)}" for name, key in keys.items())
    settings: dict[str, dict[str, Any]] = {
        "access": {
            "api_keys": hashed,
            "users": f"somebody:{credentials.hash_password('a long password')}",
            # Nobody stops at the door of FunASR's protocol.
            "funasr_addresses": "127.0.0.0/8",
        },
        "server": {"funasr_port": free_port()},
        "asr": {"tune": "off"},
        "limits": {"max_audio_seconds": 600, "max_unpacked_bytes": 1 << 30},
    }
    with private_service("builtin", **settings) as service:
        # The attacker has no more of this machine than its target.
        os.nice(5)
        seen = attack(service, keys, options.inputs, options.seed)
    problems = seen.problems()
    if options.json:
        # asdict() would count the pairs of a Counter.
        counted = {"answers": dict(seen.answers), "bystander": dict(seen.bystander)}
        told = {**asdict(seen), **counted, "ratio": seen.ratio, "problems": problems}
        print(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        print(describe(seen))
        for problem in problems:
            print(f"PROBLEM: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
