"""Secrets are masked in whatever form they come; nothing else is."""

from __future__ import annotations

import base64
import json
import urllib.parse
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seacod.system.text import masking
from seacod.system.text.masking import masked, masked_deep, without_credentials


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(masking, "_forms", type(masking._forms)())
    monkeypatch.setattr(masking, "_known", ())
    yield


WEBHOOK = "https://hooks.example.com/services/T0KEN123/last-token?access_token=abc123&sign=zzzzzz"


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("hunter2!", "535 hunter2! is wrong"),
        ("p&ss wörd", f"at ?p={urllib.parse.quote('p&ss wörd')}"),
        ("p&ss wörd", f"at ?p={urllib.parse.quote_plus('p&ss wörd')}"),
        ('quo"ted\\pass', json.dumps({"given": 'quo"ted\\pass'})),
        ("hunter2-hunter", base64.b64encode(b"\0anna\0hunter2-hunter").decode()),
        ("hunter2-hunter", base64.b64encode(b"anna:hunter2-hunter").decode()),
        ("short", base64.b64encode(b"short").decode()),
        (WEBHOOK, f"no route to {WEBHOOK}"),
        (WEBHOOK, "URL can't contain '/services/T0KEN123/last-token?access_token=abc123'"),
        (WEBHOOK, "robot abc123 is not known"),
        (WEBHOOK, "unknown last-token"),
        ("feishu://t0kenhost", "Failed to send to t0kenhost"),
        ("json://user:passw0rd@mine/abcdefgh1", "passw0rd"),
        ("first-secret\n# a comment line\nslack://secondsecret/x", "secondsecret"),
    ],
)
def test_a_secret_is_found_in_every_form(secret: str, said: str) -> None:
    masking.remember(secret)
    shown = masked(said)
    assert masking.MASK in shown
    for form in ("hunter2", "wörd", "T0KEN123", "last-token", "abc123", "t0kenhost", "passw0rd"):
        assert form not in shown
    assert base64.b64encode(b"hunter2-hun").decode()[4:12] not in shown


def test_what_is_no_secret_of_an_address_stays() -> None:
    masking.remember(WEBHOOK)
    masking.remember("json://127.0.0.1:8080/abcdefgh1")
    for text in ("hooks.example.com does not answer", "services", "https", "127.0.0.1:7860"):
        assert masked(text) == text


def test_texts_are_masked_wherever_they_lie() -> None:
    masking.remember("s3cret-word")
    value = {"a": ["s3cret-word", 1, None, 2.5, True], "b": {"c": ValueError("x s3cret-word")}}
    assert masked_deep(value) == {"a": ["****", 1, None, 2.5, True], "b": {"c": "x ****"}}


@given(st.text(min_size=4, max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_any_secret_goes_and_none_breaks_the_net(secret: str, before: str, after: str) -> None:
    masking.remember(secret)
    for line in secret.splitlines():
        if len(line.strip()) >= 4:
            for piece in masked(before + line.strip() + after).split(masking.MASK):
                assert line.strip() not in piece


def test_of_secrets_that_overlap_nothing_is_left() -> None:
    masking.remember("first-half-and-middle")
    masking.remember("middle-and-last-part")
    assert masked("<first-half-and-middle-and-last-part>") == "<****>"
    masking.remember("abcabcab")
    assert masked("abcabcabcab and abcabcab") == "**** and ****"


@given(st.lists(st.text("ab", min_size=4, max_size=8), min_size=1, max_size=4), st.text("abc"))
def test_of_any_secrets_no_letter_is_left(secrets: list[str], text: str) -> None:
    for secret in secrets:
        masking.remember(secret)
    inside = {
        at
        for form in masking._forms
        for start in range(len(text))
        if text.startswith(form, start)
        for at in range(start, start + len(form))
    }
    kept = "".join(one for at, one in enumerate(text) if at not in inside)
    assert masked(text).replace(masking.MASK, "") == kept


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:pa55@host/db", "postgres://u:pa55@h", "u:pa55@h", "//u:pa55@h/d",
        "postgresql://h/d?password=pa55&x=1", "'PGPASSWORD=pa55'", "token = pa55",
    ],
)  # fmt: skip
def test_a_password_in_an_address_nobody_told_us_of_is_masked(text: str) -> None:
    assert "pa55" not in without_credentials(text)
    assert "host" in without_credentials("postgresql://u@host/db")
