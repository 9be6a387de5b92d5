"""Who asked for it is told that a batch is over: signed, at least once, across restarts, and not
for ever. The store, the runner and the delivery are the real ones; recognition copies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from callback_receiver import CallbackReceiver
from in_use import in_use
from standardwebhooks import Webhook, WebhookVerificationError
from supervised import PATIENCE_SECONDS, ROOT, free_port
from work_and_die import StandIn

from seacod.config.outgoing import OutgoingSettings
from seacod.errors import BadRequest, HostNotAllowed
from seacod.jobs import callback_delivery, callbacks, runner
from seacod.jobs.callback_delivery import CallbackDelivery, check, pause_seconds, signature
from seacod.jobs.model import Callback, CallbackState
from seacod.jobs.opening import open_store
from seacod.jobs.runner import Jobs
from seacod.jobs.store import JobStore
from seacod.system.clock_jumps import ClockJumps

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def receiver() -> Iterator[CallbackReceiver]:
    one = CallbackReceiver()
    yield one
    one.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(callback_delivery, "_LOOK_SECONDS", 0.05)
    monkeypatch.setattr(callback_delivery, "_FIRST_PAUSE_SECONDS", 0.05)


class Site:
    """A service's jobs and what tells of them, begun and ended as often as a test likes."""

    def __init__(self, directory: Path, address: str, *hosts: str, **more: Any) -> None:
        self.directory, self._address = directory, address
        secret = directory / "secret"
        secret.write_text(f"{SECRET}\n")
        secret.chmod(0o600)
        self.settings = in_use()
        self.set(callback_hosts=" ".join(hosts), callback_secret_file=secret, **more)
        self.counts: Counter[str] = Counter()

    def set(self, **outgoing: Any) -> None:
        """As a reload does, and more than it would take."""
        now = self.settings.current
        self.settings.current = now.model_copy(
            update={"outgoing": now.outgoing.model_copy(update=outgoing)}
        )

    def opened(self) -> JobStore:
        return open_store(self.directory / "jobs", self._address)

    @asynccontextmanager
    async def working(
        self, *, tells: bool = True, clock: ClockJumps | None = None
    ) -> AsyncIterator[Jobs]:
        jobs = Jobs(self.opened, StandIn(), in_use(), clock=clock)  # type: ignore[arg-type]
        await jobs.start([])
        delivery = CallbackDelivery(jobs, self.settings, lambda what: self.counts.update([what]))
        task = asyncio.ensure_future(delivery.run() if tells else asyncio.sleep(0))
        try:
            yield jobs
        finally:
            task.cancel()
            await asyncio.wait({task})
            await jobs.finish(1.0)
            await jobs.close()

    async def accept(self, jobs: Jobs, job: str, url: str, files: int = 2) -> None:
        incoming = jobs.store.blobs.incoming(job)
        incoming.mkdir(parents=True)
        for number in range(1, files + 1):
            (incoming / f"{number:04}").write_text("sound")
        named = [(f"{n}.wav", 5) for n in range(1, files + 1)]
        await jobs.accept(job, "me", "", named, callback_url=url)

    async def until(self, jobs: Jobs, job: str, state: CallbackState) -> Callback:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            told = await jobs.ask(lambda store: store.callback(job))
            if told is not None and told.state is state:
                return told
            await asyncio.sleep(0.02)
        raise AssertionError(f"never {state}: {told}")


@pytest.fixture
def site(tmp_path: Path, address: str) -> Callable[..., Site]:
    return lambda *hosts, **more: Site(tmp_path, address, *hosts, **more)


def test_a_client_is_told_once_and_can_verify_who_says_it(
    site: Callable[..., Site], receiver: CallbackReceiver
) -> None:
    here = site(receiver.origin)

    async def act() -> Callback:
        async with here.working() as jobs:
            await here.accept(jobs, "j", receiver.url)
            await here.accept(jobs, "quiet", "")
            told = await here.until(jobs, "j", CallbackState.DELIVERED)
            # Until another one is told: this one is not told again, nor what nobody asked for.
            await here.accept(jobs, "after", receiver.url)
            await here.until(jobs, "after", CallbackState.DELIVERED)
            assert await jobs.ask(lambda store: store.callback("quiet")) is None
            return told

    kept = asyncio.run(act())
    assert (kept.attempts, kept.answer) == (1, "200 ok")
    told, after = receiver.told
    assert after.data["job"] == "after"
    assert told.path == "/done?token=t0ken"
    assert told.data["job"] == "j"
    assert told.data["state"] == "done"
    assert told.data["counts"] == {"done": 2}
    assert told.headers["content-type"] == "application/json"
    # By the standard's own library.
    assert Webhook(SECRET).verify(told.body, told.headers)["type"] == "job.done"
    for wrong in (
        {**told.headers, "webhook-timestamp": str(int(time.time()) + 1)},
        {**told.headers, "webhook-id": "msg_other"},
    ):
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify(told.body, wrong)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(told.body.replace(b"done", b"none"), told.headers)
    # And as docs/api.md shows it.
    documented: dict[str, Any] = {}
    page = (ROOT / "docs/api.md").read_text("utf-8")
    programs = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    exec(next(one for one in programs if "is_from_seacod" in one), documented)  # noqa: S102
    shown = json.loads(re.findall(r"^```json\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[1])
    sent = json.loads(told.body)
    assert set(shown) == set(sent)
    assert set(shown["data"]) == set(sent["data"])
    verify = documented["is_from_seacod"]
    assert verify(SECRET, told.headers, told.body)
    assert not verify(SECRET, told.headers, told.body + b" ")
    assert not verify(SECRET, {**told.headers, "webhook-timestamp": "1"}, told.body)
    assert not verify("whsec_AAAA", told.headers, told.body)
    assert here.counts == {"delivered": 2}


def test_what_is_not_taken_is_sent_again_the_same(
    site: Callable[..., Site], receiver: CallbackReceiver
) -> None:
    receiver.statuses = [500, 404, 302, 204]
    here = site(receiver.origin)

    async def act() -> Callback:
        async with here.working() as jobs:
            await here.accept(jobs, "j", receiver.url)
            return await here.until(jobs, "j", CallbackState.DELIVERED)

    assert asyncio.run(act()).attempts == 4
    assert len({one.headers["webhook-id"] for one in receiver.told}) == 1
    assert len({one.body for one in receiver.told}) == 1
    assert here.counts == {"not_taken": 3, "delivered": 1}


def test_a_redirect_is_not_followed(site: Callable[..., Site]) -> None:
    other = CallbackReceiver()
    first = CallbackReceiver(307, location=other.url)
    here = site(first.origin, other.origin, callback_hours=0.01)

    async def act() -> None:
        async with here.working() as jobs:
            await here.accept(jobs, "j", first.url)
            while not here.counts["not_taken"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    try:
        asyncio.run(act())
        assert not other.told
    finally:
        first.close()
        other.close()


def test_it_is_told_after_a_restart(site: Callable[..., Site], receiver: CallbackReceiver) -> None:
    """The job ends while nobody listens and nobody tells; another worker does both later."""
    here = site(receiver.origin)

    async def end() -> None:
        async with here.working(tells=False) as jobs:
            await here.accept(jobs, "j", receiver.url)
            await here.until(jobs, "j", CallbackState.WAITING)

    async def tell() -> None:
        async with here.working() as jobs:
            await here.until(jobs, "j", CallbackState.DELIVERED)

    asyncio.run(end())
    assert not receiver.told
    asyncio.run(tell())
    assert len(receiver.told) == 1


def test_a_worker_that_goes_in_the_middle_leaves_it_to_the_next(
    site: Callable[..., Site], receiver: CallbackReceiver
) -> None:
    here = site(receiver.origin)
    receiver.goes_on.clear()

    async def leave() -> None:
        async with here.working() as jobs:
            await here.accept(jobs, "j", receiver.url)
            while not receiver.told:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def tell() -> None:
        receiver.goes_on.set()
        async with here.working() as jobs:
            await here.until(jobs, "j", CallbackState.DELIVERED)

    asyncio.run(leave())
    asyncio.run(tell())
    assert len({one.headers["webhook-id"] for one in receiver.told}) == 1
    assert here.counts == {"delivered": 1}


def test_one_that_was_killed_in_the_middle_is_taken_over_after_its_lease(
    site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    here = site("http://127.0.0.1:1")
    store = here.opened()
    store.blobs.incoming("j").mkdir(parents=True)
    (store.blobs.incoming("j") / "0001").write_text("sound")
    store.accept("j", "me", "", [("1.wav", 5)], callback_url="http://127.0.0.1:1/x")
    store.cancel("j")
    first = store.claim_callback(())
    assert first is not None
    assert first.body.startswith('{"type": "job.canceled"')
    assert store.claim_callback(()) is None
    real = time.time
    monkeypatch.setattr(callbacks.time, "time", lambda: real() + callbacks.LEASE_SECONDS + 1)
    assert store.claim_callback(("127.0.0.1:1",)) is None
    again = store.claim_callback(())
    assert again is not None
    assert (again.id, again.attempts) == (first.id, 2)
    # A clock that was set back by years does not put it off by years.
    monkeypatch.setattr(callbacks.time, "time", lambda: real() - 1e8)
    assert store.claim_callback(()) is not None
    store.close()


def test_it_is_given_up_in_the_end_and_the_job_says_so(
    site: Callable[..., Site], receiver: CallbackReceiver
) -> None:
    receiver.statuses = [503]
    here = site(receiver.origin)

    async def act() -> Callback:
        async with here.working() as jobs:
            await here.accept(jobs, "j", receiver.url)
            while here.counts["not_taken"] < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            # The job of which somebody is still to be told is not swept away.
            assert await jobs.act(lambda store: store.delete_expired(-1.0)) == 0
            here.set(callback_hours=0.0)
            told = await here.until(jobs, "j", CallbackState.GIVEN_UP)
            assert await jobs.act(lambda store: store.delete_expired(-1.0)) == 1
            assert await jobs.ask(lambda store: store.callback("j")) is None
            return told

    told = asyncio.run(act())
    assert told.answer == "503 ok"
    assert here.counts["given_up"] == 1


def test_a_clock_that_is_set_ahead_gives_none_up(
    site: Callable[..., Site], receiver: CallbackReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.statuses = [503]
    here = site(receiver.origin, callback_hours=48.0)
    real, ahead = time.time, 0.0
    monkeypatch.setattr(callbacks.time, "time", lambda: real() + ahead)

    async def act() -> None:
        nonlocal ahead
        async with here.working(clock=ClockJumps(wall=lambda: real() + ahead)) as jobs:
            await here.accept(jobs, "j", receiver.url)
            for _ in range(3):
                tries = here.counts["not_taken"]
                while here.counts["not_taken"] == tries:
                    assert not here.counts["given_up"]
                    await asyncio.sleep(0.02)
                ahead += 400 * 86_400

    asyncio.run(act())


def test_it_is_tried_for_as_many_hours_as_are_configured(
    site: Callable[..., Site], receiver: CallbackReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver.statuses = [503]
    here = site(receiver.origin, callback_hours=2.0)
    real = time.time

    async def act() -> None:
        async with here.working() as jobs:
            await here.accept(jobs, "j", receiver.url)
            for hours in (0.0, 1.9):
                monkeypatch.setattr(callbacks.time, "time", lambda: real() + hours * 3600)  # noqa: B023
                tries = here.counts["not_taken"]
                while here.counts["not_taken"] == tries:
                    assert not here.counts["given_up"]
                    await asyncio.sleep(0.02)
            monkeypatch.setattr(callbacks.time, "time", lambda: real() + 2.1 * 3600)
            await here.until(jobs, "j", CallbackState.GIVEN_UP)

    asyncio.run(act())


def test_one_that_is_gone_for_good_is_given_up_at_once(
    site: Callable[..., Site], receiver: CallbackReceiver
) -> None:
    receiver.statuses = [410]
    here = site(receiver.origin)

    async def act() -> Callback:
        async with here.working() as jobs:
            await here.accept(jobs, "j", receiver.url)
            return await here.until(jobs, "j", CallbackState.GIVEN_UP)

    assert asyncio.run(act()).attempts == 1


def test_a_receiver_that_hangs_holds_up_nobody_else(
    site: Callable[..., Site], receiver: CallbackReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = CallbackReceiver()
    slow.goes_on.clear()
    here = site(receiver.origin, slow.origin, f"http://127.0.0.1:{free_port()}")
    monkeypatch.setattr(callback_delivery, "_TRY_SECONDS", 0.5)

    async def act() -> None:
        async with here.working() as jobs:
            for number in range(3):
                await here.accept(jobs, f"slow-{number}", slow.url)
            await here.accept(jobs, "j", receiver.url)
            await here.until(jobs, "j", CallbackState.DELIVERED)
            while not here.counts["not_taken"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            slow.goes_on.set()
            for number in range(3):
                await here.until(jobs, f"slow-{number}", CallbackState.DELIVERED)

    try:
        asyncio.run(act())
    finally:
        slow.close()


def test_a_host_that_is_no_longer_allowed_is_told_nothing(
    site: Callable[..., Site], receiver: CallbackReceiver
) -> None:
    here = site("https://other.example")

    async def act() -> Callback:
        async with here.working() as jobs:
            await here.accept(jobs, "j", receiver.url)
            while not here.counts["not_taken"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            assert not receiver.told
            # And is told when the operator has mended that.
            hosts = {"callback_hosts": receiver.origin}
            here.set(**hosts)
            return await here.until(jobs, "j", CallbackState.DELIVERED)

    assert asyncio.run(act()).attempts > 1


def test_only_what_can_be_told_is_accepted(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s")
    settings = OutgoingSettings(callback_hosts="hooks.example", callback_secret_file=secret)
    assert check("https://hooks.example/a?b=c#d", settings) == "https://hooks.example/a?b=c"
    with pytest.raises(BadRequest, match="^callback_url: "):
        check("hooks.example", settings)
    with pytest.raises(HostNotAllowed, match="add that to outgoing.callback_hosts"):
        check("https://other.example/", settings)
    with pytest.raises(HostNotAllowed, match="connects to no host for its clients"):
        check("https://hooks.example/", OutgoingSettings(callback_secret_file=secret))
    with pytest.raises(HostNotAllowed, match="set outgoing.callback_secret_file"):
        check("https://hooks.example/", OutgoingSettings(callback_hosts="hooks.example"))


def test_signatures_are_those_of_the_standard() -> None:
    # https://github.com/standard-webhooks/standard-webhooks, tests of its libraries.
    made = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    # A secret in another form is its own bytes.
    assert signature("plain", "i", 1, b"x") != signature("other", "i", 1, b"x")
    assert signature("whsec_not base64", "i", 1, b"x").startswith("v1,")


def test_pauses_grow_to_an_hour() -> None:
    chance = random.Random(1)
    pauses = [pause_seconds(attempts, chance) for attempts in range(1, 40)]
    assert all(one <= callbacks.MOST_PAUSE_SECONDS for one in pauses)
    assert pauses[5] > pauses[0]
    assert min(pauses[30:]) >= callbacks.MOST_PAUSE_SECONDS / 2


def test_jobs_of_a_version_before_callbacks_are_there_and_it_can_go_back(tmp_path: Path) -> None:
    directory = tmp_path / "jobs"
    with contextlib.closing(open_store(directory)) as store:
        store.blobs.incoming("before").mkdir(parents=True)
        (store.blobs.incoming("before") / "0001").write_text("sound")
        store.accept("before", "me", "", [("1.wav", 5)])
    with contextlib.closing(sqlite3.connect(directory / "jobs.db")) as older, older:
        older.execute("DROP TABLE seacod_version")
        older.execute("DROP TABLE callbacks")
        older.execute("DROP TABLE submissions")
        older.execute("ALTER TABLE jobs DROP COLUMN callback_url")
    with contextlib.closing(open_store(directory)) as store:
        assert store.get("before")[0].callback_url == ""
        store.cancel("before")
        assert store.callback("before") is None
    with contextlib.closing(sqlite3.connect(directory / "jobs.db")) as older, older:
        # As the older version goes on after a rollback: it knows nothing of the column.
        older.execute(
            "INSERT INTO jobs (id, client, hotwords, created) VALUES ('back', 'me', '', 0)"
        )
        older.execute("PRAGMA foreign_keys=ON")
        older.execute("DELETE FROM jobs WHERE id='before'")
    with contextlib.closing(open_store(directory)) as store:
        assert store.get("back")[0].callback_url == ""
