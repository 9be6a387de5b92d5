"""What people write as an address to listen on, and how a socket is reached by what it says."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest
import typed
from hypothesis import given
from hypothesis import strategies as st
from supervised import ROOT

from seacod.config.schema import Settings
from seacod.config.server import ServerSettings
from seacod.system.net.listen_address import (
    ListenAddress,
    ReachableAddress,
    has_good_port,
    is_ipv6_only,
    parse,
    shown,
)

EXAMPLE = str(ROOT / "tests/cases/antiphase.wav")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0:7860", ListenAddress("0.0.0.0", 7860)),
        ("[::]:7860", ListenAddress("::", 7860)),
        ("[fe80::1]:80", ListenAddress("fe80::1", 80)),
        ("gpu-box:7860", ListenAddress("gpu-box", 7860)),
        ("/run/seacod/http.sock", ListenAddress("", 0, "/run/seacod/http.sock")),
        ("unix:/run/a.sock", ListenAddress("", 0, "/run/a.sock")),
    ],
)
def test_an_address_is_understood_and_written_again(text: str, address: ListenAddress) -> None:
    assert parse(text) == address
    assert str(address) == text.removeprefix("unix:")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("7860", "is no address to listen on"),
        (":7860", "is no address to listen on"),
        ("0.0.0.0", "is no address to listen on"),
        ("0.0.0.0:http", "is no address to listen on"),
        ("::1:7860", "stands in brackets"),
        ("[localhost]:7860", "no IPv6 address"),
        ("0.0.0.0:0", "from 1 to 65535"),
        ("0.0.0.0:65536", "from 1 to 65535"),
        ("/" + "x" * 107, "at most 107 bytes"),
        ("/run/seacod/", "no path of a unix socket"),
    ],
)
def test_what_is_no_address_is_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(text)


@pytest.mark.parametrize(
    ("address", "is_good"),
    [
        ("1.2.3.4", True), ("1.2.3.4:7860", True), ("http://a", True), ("http://a:65535/b:0", True),
        ("http://[::1]/x", True), ("[::1]:80", True), (":443", True), ("unix:/run/a:0.sock", True),
        ("1.2.3.4:0", False), ("1.2.3.4:99999", False), ("https://a:65536/", False),
        ("http://[::1]:70000?x=1", False), (":0", False),
    ],
)  # fmt: skip
def test_a_port_that_no_machine_has_is_seen(address: str, is_good: bool) -> None:
    assert has_good_port(address) is is_good


@pytest.mark.parametrize(
    "words",
    [
        ["haproxy", "1.2.3.4:99999"],
        ["haproxy", "--places", "3", "1.2.3.4:0"],
        ["haproxy", "--places", "3", "--bind", ":99999", "a"],
        ["status", "--host", "1.2.3.4:99999"],
        ["status", "--host", "http://1.2.3.4:99999"],
        ["transcribe", "--url", "http://127.0.0.1:99999", EXAMPLE],
        ["transcribe", "--ray", "1.2.3.4:99999", "-o", "texts", EXAMPLE],
        ["transcribe", "--ray", "local", "--s3-endpoint", "http://a:0", "-o", "b", "s3://a/b"],
        ["watch", "--url", "http://127.0.0.1:99999", "."],
        ["mcp", "--url", "http://127.0.0.1:99999"],
    ],
    ids=" ".join,
)
def test_a_command_that_is_given_such_a_port_says_so(words: list[str], tmp_path: Path) -> None:
    """Nobody is asked: that a connection was refused would be no answer."""
    done = typed.seacod(*words, directory=tmp_path)
    assert done.returncode == 2, done.stderr
    assert "a port is a number from 1 to 65535" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@given(st.text(max_size=60))
def test_whatever_is_written_is_an_address_or_a_sentence(text: str) -> None:
    with contextlib.suppress(ValueError):
        one = parse(text)
        assert parse(str(one)) == one


def test_both_families_stand_beside_each_other() -> None:
    server = ServerSettings(listen="0.0.0.0:7860 [::]:7860 [::]:7861 /run/a.sock")
    assert [is_ipv6_only(one, server.addresses) for one in server.addresses] == [
        False, True, False, False,
    ]  # fmt: skip


def test_without_listen_there_are_host_and_port() -> None:
    assert ServerSettings(host="::").addresses == (ListenAddress("::", 7860),)
    assert ServerSettings(host="[::1]", port=80).addresses == (ListenAddress("::1", 80),)


def test_funasrs_port_is_on_the_same_hosts() -> None:
    server = ServerSettings(listen="10.0.0.1:1 10.0.0.1:2 [::1]:1 /run/a", funasr_port=10095)
    assert [str(one) for one in server.funasr_addresses] == ["10.0.0.1:10095", "[::1]:10095"]
    alone = ServerSettings(listen="/run/a", host="127.0.0.1", funasr_port=10095)
    assert [str(one) for one in alone.funasr_addresses] == ["127.0.0.1:10095"]
    assert ServerSettings().funasr_addresses == ()


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ({"listen": "0.0.0.0:1 0.0.0.0:1"}, "0.0.0.0:1 is named twice"),
        ({"listen": " ".join(f"0.0.0.0:{n}" for n in range(1, 20))}, "more than 16"),
        ({"listen": "0.0.0.0:8000"}, "metrics.port: 8000 is also server.port"),
        ({"funasr_port": 7860}, "server.funasr_port: 7860 is also that of page and API"),
    ],
)
def test_addresses_that_cannot_be_are_refused(server: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings.model_validate({"server": server})


def test_a_list_of_yaml_is_taken_too() -> None:
    server = ServerSettings.model_validate({"listen": ["127.0.0.1:1", "[::1]:1"]})
    assert server.listen == "127.0.0.1:1 [::1]:1"


def test_a_socket_says_itself_how_it_is_reached(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:

        def listening(family: socket.AddressFamily, where: object, only: int = 0) -> socket.socket:
            one = stack.enter_context(socket.socket(family))
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
            one.bind(where)  # type: ignore[arg-type]
            one.listen()
            return one

        for family, where, only, host in (
            (socket.AF_INET, ("0.0.0.0", 0), 0, "127.0.0.1"),
            (socket.AF_INET, ("127.0.0.2", 0), 0, "127.0.0.2"),
            (socket.AF_INET6, ("::", 0), 0, "127.0.0.1"),
            (socket.AF_INET6, ("::", 0), 1, "[::1]"),
            (socket.AF_INET6, ("::1", 0), 0, "[::1]"),
        ):
            one = listening(family, where, only)
            target = ReachableAddress.of(one)
            assert target.url == f"http://{host}:{one.getsockname()[1]}"
            with socket.socket(target.family) as client:
                client.connect(target.address)
        path = str(tmp_path / "sock")
        one = listening(socket.AF_UNIX, path)
        assert (shown(one), ReachableAddress.of(one).url) == (path, f"unix:{path}")
        one = listening(socket.AF_UNIX, f"\0{tmp_path.name}{id(stack)}")
        assert shown(one).startswith(f"@{tmp_path.name}")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(ReachableAddress.of(one).address)
