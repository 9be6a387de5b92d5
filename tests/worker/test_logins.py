"""Logins of people, without a model: passwords, tries, sessions, the login page."""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given, settings
from hypothesis import strategies as st
from supervised import PATIENCE_SECONDS

from seacod.config.access import AccessSettings
from seacod.system import credentials
from seacod.web.logins import attempts, passwords, sessions
from seacod.web.logins.attempts import AttemptRefused, LoginAttempts
from seacod.web.logins.logins import Logins
from seacod.web.middleware import errors
from seacod.web.middleware.access import COOKIE, Access, client_of
from seacod.web.page import texts
from seacod.web.routes import login

PASSWORD = "correct horse 电池"
ENTRY = credentials.hash_password(PASSWORD)
KEY = credentials.new_key()
SETTINGS = AccessSettings(
    users=f"anna:{ENTRY} bob:{credentials.hash_password('bobs own word')}",
    api_keys=f"robot:{credentials.hash_key(KEY)}",
)
pytestmark = pytest.mark.anyio
BROWSER = {"User-Agent": "Mozilla/5.0", "Accept": "text/html,*/*"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Door:
    """An application behind the access check, and who was let in."""

    def __init__(
        self, directory: Path, settings: AccessSettings = SETTINGS, root: str = ""
    ) -> None:
        self.results: Counter[str] = Counter()
        self.logins = Logins(settings, directory / "sessions", lambda what: self._count(what))
        app = FastAPI()
        app.add_middleware(Access, settings=settings, logins=self.logins, root_path=root)
        errors.install(app)
        app.include_router(login.router(self.logins, root))

        @app.api_route("/{path:path}", methods=["GET", "POST"])
        async def whoami(request: Request) -> str:
            return client_of(request)

        self.app = app

    def _count(self, what: str) -> None:
        self.results[what] += 1

    def client(self, address: str = "192.0.2.7", **headers: str) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(address, 1234))
        return httpx.AsyncClient(
            transport=transport,
            base_url="http://asr.example",
            headers=headers,
            timeout=PATIENCE_SECONDS,
        )


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Door:
    # What is slower is looked at by itself.
    monkeypatch.setattr(attempts, "_FIRST_PAUSE_SECONDS", 0.0)
    return Door(tmp_path)


def basic(name: str, password: str) -> dict[str, str]:
    given = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {given}"}


async def log_in(
    client: httpx.AsyncClient, name: str, password: str, **more: str
) -> httpx.Response:
    form = {"name": name, "password": password, **more}
    return await client.post("/login", data=form)


async def first(futures: list[asyncio.Task[httpx.Response]], count: int) -> None:
    """Wait for so many of them."""
    for one in itertools.islice(asyncio.as_completed(futures), count):
        await one


# -- passwords and keys ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["Basic éé".encode("latin-1"), "Basic 密码".encode(), b"Basic \xff\xfe", b"Basic =", b"Basic",
     b"Basic " + base64.b64encode(b"\xff\xfe:x"), b"Basic " + b"A" * 60_000, b"Bearer \xe9",
     b"Basic " + base64.b64encode(b"anna"), b"Basic " + base64.b64encode(b"anna\0:x"),
     b"Digest username=anna", b"\xe9\xe9 x", b"Basic " + base64.b64encode(b"anna:\xed\xa0\x80")],
)  # fmt: skip
async def test_any_authorization_is_answered_with_401(door: Door, value: bytes) -> None:
    async with door.client() as client:
        answer = await client.get("/system", headers=[(b"Authorization", value)])
        assert answer.status_code == 401
        answer = await client.get("/system", headers=[(b"X-API-Key", value)])
        assert answer.status_code == 401


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=60), st.sampled_from([b"Basic ", b"Bearer ", b"", b"basic  "]))
def test_no_header_breaks_the_check(value: bytes, kind: bytes) -> None:
    value = value.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"")

    async def ask() -> int:
        door = Door(Path("/nowhere"))
        try:
            async with door.client() as client:
                header = [(b"Authorization", kind + value)]
                return (await client.get("/system", headers=header)).status_code
        finally:
            door.logins.close()

    assert asyncio.run(ask()) == 401


async def test_a_flood_of_wrong_passwords_delays_no_key_and_costs_one_thread(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """300 at once; a key waited for 39 s behind them. Here they stand still altogether."""
    is_looked_at, may_go_on = threading.Event(), threading.Event()
    looked_at = []

    def slowly(password: str, known: str) -> bool:
        looked_at.append(password)
        is_looked_at.set()
        may_go_on.wait(PATIENCE_SECONDS)
        return False

    monkeypatch.setattr(passwords, "is_password", slowly)
    async with door.client() as client:
        flood = [
            asyncio.ensure_future(client.get("/", headers=basic("anna", f"wrong {number}")))
            for number in range(300)
        ]
        await first(flood, 300 - attempts.MOST_OF_NAME)
        assert await asyncio.to_thread(is_looked_at.wait, PATIENCE_SECONDS)
        # With all of them still there:
        key = await client.get("/system", headers={"Authorization": f"Bearer {KEY}"})
        assert key.json() == "key:robot"
        # The loop's own executor, which uploads use, has nothing to do with it.
        assert await asyncio.wait_for(asyncio.to_thread(lambda: 1), PATIENCE_SECONDS) == 1
        assert len(looked_at) == 1
        may_go_on.set()
        answers = Counter([(await one).status_code for one in flood])
    assert set(answers) == {401, 429}
    assert answers[401] <= attempts.MOST_OF_ADDRESS
    assert door.logins.wrong == 300 and door.results["too_many"] == answers[429]


async def test_what_was_verified_is_not_verified_again(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at = []
    monkeypatch.setattr(
        passwords, "is_password", lambda *given: looked_at.append(given) or given[0] == PASSWORD
    )
    async with door.client() as client:
        for _ in range(5):
            answer = await client.get("/", headers=basic("anna", PASSWORD))
            assert answer.json() == "user:anna"
        assert len(looked_at) == 1
        # A wrong one is remembered, too, and still counts.
        for _ in range(3):
            assert (await client.get("/", headers=basic("anna", "wrong"))).status_code == 401
    assert len(looked_at) == 2 and door.results["wrong"] == 3


async def test_too_many_at_once_from_everywhere_are_sent_away(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = threading.Event()
    monkeypatch.setattr(
        passwords, "is_password", lambda *_: may_go_on.wait(PATIENCE_SECONDS) and False
    )
    clients = [door.client(f"192.0.2.{number}") for number in range(40)]
    tries = [
        asyncio.ensure_future(one.get("/", headers=basic(f"nobody{number}", "x")))
        for number, one in enumerate(clients)
    ]
    await first(tries, 24)
    may_go_on.set()
    answers = [await one for one in tries]
    assert Counter(one.status_code for one in answers) == {503: 24, 401: 16}
    assert all("retry-after" in one.headers for one in answers if one.status_code == 503)
    for one in clients:
        await one.aclose()


async def test_after_too_many_wrong_ones_there_is_no_answer_for_a_while(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with door.client() as client, door.client("198.51.100.1") as other:
        assert (await other.get("/", headers=basic("anna", PASSWORD))).status_code == 200
        for number in range(attempts.MOST_OF_NAME):
            answer = await client.get("/", headers=basic("anna", f"wrong {number}"))
            assert answer.status_code == 401
        # By name: also the right one, from where it was never right.
        answer = await client.get("/", headers=basic("anna", PASSWORD + "x"))
        assert answer.status_code == 429
        assert answer.json()["error"]["code"] == "too_many_logins"
        assert 0 < int(answer.headers["retry-after"]) <= attempts.WINDOW_SECONDS
        # Her own place is not locked; nor are others' names, until the address has had enough.
        assert (await other.get("/", headers=basic("anna", "wrong"))).status_code == 401
        assert (await client.get("/", headers=basic("bob", "bobs own word"))).status_code == 200
        for number in range(attempts.MOST_OF_ADDRESS):
            answer = await client.get("/", headers=basic(f"nobody{number}", "x"))
        assert answer.status_code == 429
        answer = await log_in(client, "bob", "wrong")
        assert answer.status_code == 429 and int(answer.headers["retry-after"]) > 0
    # Programs with keys are never locked out.
    async with door.client() as client:
        assert (await client.get("/", headers={"X-API-Key": KEY})).status_code == 200


def test_answers_get_slower_and_what_is_old_is_forgotten() -> None:
    tries = LoginAttempts()
    pauses = []
    for number in range(attempts.MOST_OF_NAME):
        attempt = tries.begin("192.0.2.1", "anna", float(number))
        assert not isinstance(attempt, AttemptRefused)
        pauses.append(attempt.pause_seconds)
    assert pauses[:3] == [0, 0, 0] and pauses == sorted(pauses) and pauses[-1] > 1
    refused = tries.begin("192.0.2.1", "anna", 20.0)
    assert refused == AttemptRefused(attempts.WINDOW_SECONDS - 20.0)
    assert not isinstance(tries.begin("192.0.2.1", "anna", 601.0), AttemptRefused)


def test_an_address_of_ipv6_is_counted_by_its_network() -> None:
    tries = LoginAttempts()
    for number in range(attempts.MOST_OF_ADDRESS):
        tries.begin(f"2001:db8:1:2::{number:x}", f"name{number}", 0.0)
    assert isinstance(tries.begin("2001:db8:1:2:ffff::1", "x", 1.0), AttemptRefused)
    assert not isinstance(tries.begin("2001:db8:1:3::1", "x", 1.0), AttemptRefused)
    for number in range(attempts.MOST_OF_ADDRESS):
        tries.begin("::ffff:192.0.2.1", f"other{number}", 0.0)
    assert isinstance(tries.begin("192.0.2.1", "x", 1.0), AttemptRefused)


def test_addresses_and_names_without_end_need_no_memory_without_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attempts, "_REMEMBERED", 100)
    tries = LoginAttempts()
    for number in range(1000):
        attempt = tries.begin(f"10.0.{number // 256}.{number % 256}", f"name{number}", 0.0)
        assert not isinstance(attempt, AttemptRefused)
        tries.was_right(attempt)
    assert len(tries._tries) <= 100 and len(tries._known) <= 100


async def test_what_was_verified_is_not_pushed_out_by_what_was_not() -> None:
    made = passwords.Passwords()
    assert await made.is_right("anna", PASSWORD, ENTRY)
    made._found.update(
        {os.urandom(32): (False, time.monotonic() + 60) for _ in range(passwords._REMEMBERED)}
    )
    await made.is_right("anna", "wrong", ENTRY)
    assert len(made._found) <= passwords._REMEMBERED
    assert made.remembered("anna", PASSWORD, ENTRY) is True
    made.close()


# -- the login page and its sessions --------------------------------------------------------------


async def test_a_person_is_sent_to_the_login_page_and_back(door: Door) -> None:
    async with door.client(**BROWSER) as client:
        answer = await client.get("/ui/a?b=1&c=2")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login?next=/ui/a%3Fb%3D1%26c%3D2"
        page = await client.get(answer.headers["location"])
        assert page.status_code == 200 and 'value="/ui/a?b=1&amp;c=2"' in page.text
        assert "www-authenticate" not in page.headers
        answer = await log_in(client, "anna", PASSWORD, next="/ui/a?b=1&c=2")
        assert (answer.status_code, answer.headers["location"]) == (303, "/ui/a?b=1&c=2")
        cookie = answer.headers["set-cookie"]
        for word in ("HttpOnly", "SameSite=lax", "Max-Age=43200", "Path=/"):
            assert word in cookie
        assert "Secure" not in cookie
        assert (await client.get("/")).json() == "user:anna"
        # Once in, the login page leads on.
        assert (await client.get("/login")).headers["location"] == "/"
        token = client.cookies[COOKIE]
        answer = await client.post("/logout")
        assert answer.headers["location"] == "/login" and COOKIE not in client.cookies
        # The session itself is over, not only the browser's word of it.
        client.cookies.set(COOKIE, token)
        assert (await client.get("/")).status_code == 303


async def test_under_tls_the_cookie_stays_under_tls(door: Door) -> None:
    transport = httpx.ASGITransport(door.app)
    async with httpx.AsyncClient(transport=transport, base_url="https://asr.example") as client:
        assert "Secure" in (await log_in(client, "anna", PASSWORD)).headers["set-cookie"]


async def test_a_login_ends_the_session_that_the_browser_had_before(door: Door) -> None:
    async with door.client(**BROWSER) as client:
        await log_in(client, "anna", PASSWORD)
        before = {"Cookie": f"{COOKIE}={client.cookies[COOKIE]}"}
        await log_in(client, "bob", "bobs own word")
        assert (await client.get("/who")).json() == "user:bob"
    async with door.client(**before) as kept:
        assert (await kept.get("/who")).status_code == 401


async def test_a_script_of_the_page_gets_401_and_no_dialog(door: Door) -> None:
    async with door.client(**{**BROWSER, "Accept": "*/*"}) as client:
        for method in ("GET", "POST"):
            answer = await client.request(method, "/system")
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer ")
    async with door.client(**{"Sec-Fetch-Mode": "cors", "Accept": "text/html"}) as client:
        assert (await client.get("/system")).headers["www-authenticate"].startswith("Bearer ")
    # Programs are told as before.
    async with door.client() as client:
        assert (await client.get("/system")).headers["www-authenticate"].startswith("Basic ")


async def test_a_wrong_password_says_nothing_of_the_name(door: Door) -> None:
    async with door.client(**BROWSER) as client:
        pages = [
            await log_in(client, name, "wrong <b>") for name in ("anna", "nobody", "<script>", "")
        ]
    for page in pages:
        assert page.status_code == 401
        assert texts.text("zh", "login_wrong") in page.text and "wrong <b>" not in page.text
        assert "<script" not in page.text and "set-cookie" not in page.headers
    assert pages[0].text.replace('value="anna"', "") == pages[1].text.replace('value="nobody"', "")


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "/\\evil.example", "https://evil.example/", "javascript:alert(1)", "",
     "/a\r\nSet-Cookie: x=y", "/é", "evil", "/\t/evil.example", "\\\\evil.example"],
)  # fmt: skip
async def test_a_login_never_leads_elsewhere(door: Door, wanted: str) -> None:
    async with door.client(**BROWSER) as client:
        page = await client.get("/login", params={"next": wanted})
        assert 'name="next" value="/"' in page.text
        answer = await log_in(client, "anna", PASSWORD, next=wanted)
        assert answer.headers["location"] == "/"


async def test_below_a_prefix_everything_stays_below_it(tmp_path: Path) -> None:
    door = Door(tmp_path, root="/asr")
    for prefix in ("", "/asr"):  # a proxy takes the prefix off, or does not
        async with door.client(**BROWSER) as client:
            answer = await client.get(f"{prefix}/x")
            assert answer.headers["location"] == "/asr/login?next=/asr/x"
            answer = await log_in(client, "anna", PASSWORD, next="/asr/x")
            assert answer.headers["location"] == "/asr/x"
            assert "Path=/asr/" in answer.headers["set-cookie"]
            answer = await log_in(client, "anna", PASSWORD, next="/other")
            assert answer.headers["location"] == "/asr/"


async def test_the_page_speaks_the_browsers_language_and_the_chosen_one(door: Door) -> None:
    async with door.client() as client:
        for accepts, word in (("en-GB,en;q=0.8,zh;q=0.1", "Log in"), ("zh-TW", "登录"),
                              ("fr, en", "Log in"), ("", "登录")):  # fmt: skip
            page = await client.get("/login", headers={"Accept-Language": accepts})
            assert f"<button>{word}</button>" in page.text
        page = await client.get("/login?lang=en", headers={"Accept-Language": "zh"})
        assert "<button>Log in</button>" in page.text and 'lang="en"' in page.text
        assert "script" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]


@pytest.mark.parametrize(
    "body",
    [b"x" * 17_000, b"\xff\xfe", b"name=%ff&password=x", b"&".join([b"a=b"] * 11), b"",
     b"name=anna", b"{}", b"name=anna&password=" + b"y" * 5000],
)  # fmt: skip
async def test_a_form_that_is_none_is_refused(door: Door, body: bytes) -> None:
    async with door.client() as client:
        answer = await client.post("/login", content=body)
        assert answer.status_code in (400, 401)


async def test_a_session_ends_with_its_time_its_password_and_its_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = {"anna": ENTRY, "bob": "other"}
    made = sessions.Sessions(tmp_path / "sessions", users, 3600)
    token = made.begin("anna")
    # Another worker, and the next one, know it, too.
    assert sessions.Sessions(tmp_path / "sessions", users, 3600).name(token) == "anna"
    changed = {"anna": credentials.hash_password("new"), "bob": "other"}
    assert sessions.Sessions(tmp_path / "sessions", changed, 3600).name(token) is None
    assert sessions.Sessions(tmp_path / "sessions", {"bob": "other"}, 3600).name(token) is None
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3601)
    assert made.name(token) is None
    made.begin("bob")
    assert len(list((tmp_path / "sessions").iterdir())) == 1  # what was over is gone


async def test_the_directory_of_sessions_lets_nobody_in(tmp_path: Path) -> None:
    made = sessions.Sessions(tmp_path / "sessions", {"anna": ENTRY}, 3600)
    token = made.begin("anna")
    (file,) = (tmp_path / "sessions").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "sessions").stat().st_mode & 0o777 == 0o700
    assert token not in file.name + file.read_text()
    for wrong in (file.name, "", "x" * 43, f"../sessions/{file.name}", "é" * 43, token + "\n"):
        assert made.name(wrong) is None
        made.end(wrong)
    file.write_text("[]")
    assert made.name(token) is None


def test_sessions_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_MOST_OF_USER", 3)
    monkeypatch.setattr(sessions, "_MOST", 4)
    made = sessions.Sessions(tmp_path / "s", {"anna": "a", "bob": "b"}, 3600)
    tokens = [made.begin(name) for name in ("anna",) * 5 + ("bob",) * 3]
    assert [made.name(token) for token in tokens[:2]] == [None, None]
    assert made.name(tokens[-1]) == "bob"
    assert len(list((tmp_path / "s").iterdir())) <= 4


async def test_without_users_there_is_no_login_page(tmp_path: Path) -> None:
    door = Door(tmp_path, AccessSettings(api_keys=SETTINGS.api_keys))
    async with door.client(**BROWSER) as client:
        answer = await client.get("/login")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer ")


@pytest.mark.parametrize(
    ("key", "value"),
    [("users", "anna:sha256$" + "0" * 64), ("users", "anna:scrypt$aaaaaaaaaaaaaaaaaaaaa"),
     ("api_keys", f"anna:{ENTRY}"), ("users", f"anna:{ENTRY} anna:{ENTRY}"),
     ("api_keys", "s3cret-word"), ("users", "anna:s3cret-word")],
    # One of them has a salt made anew each time, and a name has to be the same in each process.
    ids=["hashed as a key", "short", "hashed as a login", "twice", "a word", "a word for a login"],
)  # fmt: skip
def test_an_entry_that_lets_nobody_in_is_refused(key: str, value: str) -> None:
    with pytest.raises(ValueError) as caught:
        AccessSettings(**{key: value})
    assert "s3cret-word" not in str(caught.value).partition("[type=")[0]
