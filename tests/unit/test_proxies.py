"""Which proxy of the environment is used for an address, and which cannot be."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from supervised import ROOT

from seacod.alerts.channels.base import Undelivered
from seacod.alerts.channels.http import post
from seacod.errors import ModelUnavailable
from seacod.models.fetch import fetch
from seacod.system.net.proxies import Proxy, hidden, is_direct, proxy_for

SOCKS = "socks5://user:secret@127.0.0.1:1080"


@pytest.mark.parametrize(
    ("url", "no_proxy", "is_by_proxy"),
    [
        ("https://example.com/x", "", True),
        ("http://127.0.0.1:1/", "", False),
        ("http://127.9.9.9/", "", False),
        ("http://[::1]:80/", "", False),
        ("http://localhost:9/", "", False),
        ("https://10.1.2.3/", "10.0.0.0/8", False),
        ("https://11.1.2.3/", "10.0.0.0/8", True),
        ("https://[fd00::1]/", "fd00::/8", False),
        ("https://example.com/", "192.168.0.0/16, example.com", False),
        ("https://a.example.com/", ".example.com", False),
        ("https://a.example.com/", "*.example.com", False),
        ("https://a.example.com/", "EXAMPLE.com", False),
        ("https://badexample.com/", "example.com", True),
        ("https://example.com:8443/", "example.com:8443", False),
        ("https://example.com/", "example.com:8443", True),
        ("https://example.com/", "*", False),
        ("https://example.com/", "10.0.0.0/99 :: ,,", True),
    ],
)
def test_no_proxy_is_honoured_with_networks(url: str, no_proxy: str, is_by_proxy: bool) -> None:
    environment = {"ALL_PROXY": "http://proxy:3128", "no_proxy": no_proxy}
    found = proxy_for(url, environment)
    assert found == (Proxy("ALL_PROXY", "http://proxy:3128") if is_by_proxy else None)


def test_the_variable_of_the_scheme_comes_first() -> None:
    environment = {"https_proxy": "one:1", "all_proxy": SOCKS, "HTTP_PROXY": " "}
    assert proxy_for("https://x.org", environment) == Proxy("https_proxy", "http://one:1")
    assert proxy_for("http://x.org", environment) == Proxy("all_proxy", SOCKS)
    assert proxy_for("http://x.org", {}) is None


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (SOCKS, "names a SOCKS proxy (socks5://)"),
        ("socks5h://x:1", "names a SOCKS proxy"),
        ("htp://user:secret@x:1", "is no address of a proxy"),
        ("http://", "is no address of a proxy"),
        ("http://user:secret@x:port", "is no address of a proxy"),
        ("http://proxy:3128", ""),
    ],
)
def test_what_cannot_work_names_the_variable_and_no_password(url: str, words: str) -> None:
    problem = Proxy("all_proxy", url).problem
    assert bool(problem) == bool(words)
    for one, what in zip(problem or (), (words, "代理"), strict=False):
        assert what in one
        assert "all_proxy" in one
        assert "secret" not in one


@given(st.text(max_size=30), st.text(max_size=30))
def test_whatever_stands_there_is_no_accident(host: str, no_proxy: str) -> None:
    assert is_direct(host, None, no_proxy) in (True, False)


def test_an_alert_says_which_variable_is_in_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [one for one in os.environ if one.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("all_proxy", SOCKS)
    with pytest.raises(Undelivered, match="all_proxy names a SOCKS proxy") as told:
        asyncio.run(post("https://192.0.2.1/hook", {}))
    assert told.value.is_ours
    assert "secret" not in str(told.value)


def test_variables_are_back_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("all_proxy", SOCKS)
    with hidden():
        assert "all_proxy" not in os.environ
    assert os.environ.get("all_proxy") == SOCKS  # noqa: SIM112


def test_the_page_is_imported_whatever_proxy_the_environment_names() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from seacod.web.page import gradio_lean"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "all_proxy": SOCKS, "https_proxy": "htp://x:1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_model_is_not_fetched_through_what_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [one for one in os.environ if one.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("all_proxy", "htp://user:secret@x:1")
    with pytest.raises(ModelUnavailable, match="all_proxy is no address of a proxy") as told:
        fetch("owner/name", tmp_path, None, lambda text: None)
    assert "secret" not in str(told.value)
