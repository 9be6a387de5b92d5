"""Whom the service connects to because a client asks for it: the configured hosts, at addresses
that these may have, and nobody else, whatever name servers and redirects say."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_server import FileServer, content, cut_off, endless, sent_on
from in_use import in_use

from seacod.config.outgoing import OutgoingSettings
from seacod.errors import (
    BadRequest,
    HostNotAllowed,
    SeacodError,
    SourceTooSlow,
    SourceUnreachable,
    StorageFull,
    TooBig,
)
from seacod.system.files import free_space
from seacod.system.net import outgoing
from seacod.system.net.allowed_origins import AllowedOrigins
from seacod.web import sources
from seacod.web.sources import Sources, name_of

SOUND = b"RIFF" + bytes(100_000)


def find(hosts: str, url: str) -> bool:
    target = outgoing.read(url, "url")
    return AllowedOrigins(hosts).find(target.scheme, target.host, target.port) is not None


@pytest.mark.parametrize(
    ("hosts", "url", "expected"),
    [
        ("example.com", "https://example.com/a.wav", True),
        ("example.com", "https://EXAMPLE.com:443/a.wav", True),
        ("example.com", "https://example.com./a.wav", True),
        ("example.com", "http://example.com/a.wav", False),
        ("example.com", "https://example.com:8443/a.wav", False),
        ("example.com", "https://www.example.com/", False),
        ("example.com", "https://example.com.evil.net/", False),
        ("example.com", "https://evil.net/?example.com", False),
        ("example.com", "https://evil.net#example.com", False),
        ("https://example.com:8443", "https://example.com:8443/", True),
        ("http://10.0.0.5:8080 example.com", "http://10.0.0.5:8080/x", True),
        ("http://10.0.0.5:8080", "https://10.0.0.5:8080/x", False),
        ("*.example.com", "https://a.b.example.com/", True),
        ("*.example.com", "https://example.com/", False),
        ("*.example.com", "https://evilexample.com/", False),
        ("http://[::1]:8080", "http://[::1]:8080/", True),
        ("http://[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080/", True),
        ("http://127.0.0.1", "http://127.1/", False),
        ("http://127.0.0.1", "http://2130706433/", False),
        ("", "https://example.com/", False),
    ],
)
def test_only_hosts_that_are_named_are_found(hosts: str, url: str, expected: bool) -> None:
    assert find(hosts, url) is expected


@pytest.mark.parametrize("text", ["https://", "ftp://x", "x:0", "x:99999", "*", "a/b"])
def test_what_is_no_host_is_refused_by_the_configuration(text: str) -> None:
    with pytest.raises(ValueError, match="is no host"):
        OutgoingSettings(input_hosts=text)
    with pytest.raises(ValueError, match="is no host"):
        OutgoingSettings(callback_hosts=f"example.com {text}")


@pytest.mark.parametrize(
    "url",
    ["", "example.com", "file:///etc/passwd", "ftp://example.com/", "https://", "https:///x",
     "javascript:1", "https://u:p@example.com/", "https://u@example.com/",
     "https://evil.net\\@example.com/", "https://[::1/", "https://example.com:0/",
     "https://example.com:99999/", "https://a\x00b/", "https://a\nb/", "x" * 3000,
     "https://example.com/" + "x" * 3000],
)  # fmt: skip
def test_what_is_no_address_is_told_in_a_sentence(url: str) -> None:
    with pytest.raises(BadRequest, match="^callback_url: ") as refused:
        outgoing.read(url, "callback_url")
    assert len(refused.value.message) < 300


def test_an_address_in_chinese_is_one() -> None:
    target = outgoing.read(" https://例子.example/录音 一.wav?票=1#x ", "url")
    assert target.host == "xn--fsqu00a.example"
    assert name_of(target) == "录音 一.wav"
    assert b"#" not in target.path
    assert "票" not in target.shown
    assert name_of(outgoing.read("https://example.com/", "url")) == "example.com"
    assert name_of(outgoing.read("https://example.com/..%2F..%2Fpasswd", "url")) == "../../passwd"


@pytest.mark.parametrize(
    ("entry", "address", "expected"),
    [
        ("example.com", "93.184.216.34", True),
        ("*.example.com", "93.184.216.34", True),
        ("example.com", "10.1.2.3", True),
        ("example.com", "127.0.0.1", True),
        ("example.com", "::1", True),
        ("example.com", "fd00::1", True),
        ("*.example.com", "10.1.2.3", False),
        ("*.example.com", "127.0.0.1", False),
        ("*.example.com", "::1", False),
        ("*.example.com", "::ffff:10.0.0.1", False),
        ("*.example.com", "64:ff9b::a00:1", False),
        ("*.example.com", "2002:0a00:0001::", False),
        ("*.example.com", "100.64.0.1", False),
        ("*.example.com", "fd00::1", False),
        # The metadata of a cloud, by a name that leads there.
        ("example.com", "169.254.169.254", False),
        ("example.com", "::ffff:169.254.169.254", False),
        ("example.com", "fe80::1%eth0", False),
        ("example.com", "0.0.0.0", False),
        ("example.com", "::", False),
        ("example.com", "224.0.0.1", False),
        ("example.com", "255.255.255.255", False),
        ("http://169.254.169.254", "169.254.169.254", True),
        ("http://10.0.0.5", "10.0.0.6", False),
        ("example.com", "nonsense", False),
    ],
)
def test_a_name_leads_only_where_it_may(entry: str, address: str, expected: bool) -> None:
    (only,) = AllowedOrigins(entry)._entries
    assert only.may_be_at(address) is expected


@pytest.fixture
def files() -> Iterator[FileServer]:
    one = FileServer(
        sound=content(SOUND), empty=content(b""), endless=endless(), cut=cut_off,
        drip=endless(b"x", 0.05), packed=content(b"x", Content_Encoding="gzip"),
    )  # fmt: skip
    yield one
    one.close()


def fetch(url: str, path: Path, max_bytes: int = 1 << 20, free: int = 0, **settings: Any) -> str:
    source = Sources(in_use(outgoing=settings, storage={"free_refuse_bytes": free}))

    async def act() -> str:
        return await source.fetch(source.check(url), path, max_bytes)

    return asyncio.run(act())


def test_a_recording_is_fetched_as_it_is(files: FileServer, tmp_path: Path) -> None:
    url = files.url("sound?token=secret")
    assert fetch(url, tmp_path / "a", input_hosts=files.origin) == "sound"
    assert (tmp_path / "a").read_bytes() == SOUND
    ((path, headers),) = files.asked
    assert path == "/sound?token=secret"
    assert headers["Host"] == f"127.0.0.1:{files.port}"
    assert headers["Accept-Encoding"] == "identity"
    assert fetch(files.url("empty"), tmp_path / "b", input_hosts=files.origin) == "empty"
    assert (tmp_path / "b").read_bytes() == b""


def test_a_proxy_of_the_environment_is_not_asked(
    files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    fetch(files.url("sound"), tmp_path / "a", input_hosts=files.origin)
    assert len(files.asked) == 1


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("nothing", SourceUnreachable, "answered 404"),
        ("cut", SourceUnreachable, "no answer"),
        ("packed", SourceUnreachable, "comes packed"),
        ("endless", TooBig, "MiB"),
        ("drip", SourceTooSlow, "did not come within 1 s"),
    ],
)
def test_each_failure_has_its_sentence(
    files: FileServer, tmp_path: Path, name: str, error: type[SeacodError], words: str
) -> None:
    seconds = 1.0 if name == "drip" else 60.0
    with pytest.raises(error, match=words):
        fetch(
            files.url(f"{name}?token=secret"), tmp_path / "a", input_hosts=files.origin,
            input_seconds=seconds,
        )  # fmt: skip


def test_what_is_too_big_by_its_header_is_not_read(files: FileServer, tmp_path: Path) -> None:
    with pytest.raises(TooBig):
        fetch(files.url("sound"), tmp_path / "a", 1000, input_hosts=files.origin)
    assert not (tmp_path / "a").exists()


def test_a_disk_without_room_takes_nothing(
    files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(free_space, "free_bytes", lambda path: (1 << 30) - 1)
    with pytest.raises(StorageFull):
        fetch(files.url("sound"), tmp_path / "a", free=1 << 30, input_hosts=files.origin)


def test_a_disk_that_fills_on_the_way_is_noticed(
    files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = iter([1 << 40])
    monkeypatch.setattr(sources, "_BUFFER_BYTES", 64 * 1024)
    monkeypatch.setattr(free_space, "free_bytes", lambda path: next(left, 0))
    with pytest.raises(StorageFull):
        fetch(files.url("endless"), tmp_path / "a", free=1 << 20, input_hosts=files.origin)


def test_redirects_lead_only_to_hosts_that_are_named(files: FileServer, tmp_path: Path) -> None:
    other = FileServer(sound=content(SOUND))
    try:
        files.pages |= {
            "/near": sent_on("/sound"),
            "/far": sent_on(other.url("sound")),
            "/cloud": sent_on("http://169.254.169.254/latest/meta-data/"),
            "/file": sent_on("file:///etc/passwd"),
            "/round": sent_on("/round"),
        }
        assert fetch(files.url("near"), tmp_path / "a", input_hosts=files.origin)
        for name in ("far", "cloud"):
            with pytest.raises(HostNotAllowed, match="may not connect to http://"):
                fetch(files.url(name), tmp_path / name, input_hosts=files.origin)
        assert not other.asked
        with pytest.raises(BadRequest, match="is no address"):
            fetch(files.url("file"), tmp_path / "b", input_hosts=files.origin)
        with pytest.raises(SourceUnreachable, match="more than 5 times"):
            fetch(files.url("round"), tmp_path / "c", input_hosts=files.origin)
        both = f"{files.origin} {other.origin}"
        assert fetch(files.url("far"), tmp_path / "d", input_hosts=both)
        assert (tmp_path / "d").read_bytes() == SOUND
    finally:
        other.close()


def test_a_name_is_looked_up_once_and_gone_to_as_it_was(
    files: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that says something harmless first, and this machine later."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    real = socket.getaddrinfo
    asked = []

    def rebinding(host: str, port: int, *more: Any, **options: Any) -> Any:
        if not host.endswith(".example"):
            return real(host, port, *more, **options)
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in answers.pop(0)]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(outgoing, "CONNECT_SECONDS", 0.2)
    with pytest.raises(SourceUnreachable):
        fetch(f"http://a.evil.example:{files.port}/sound", tmp_path / "a",
              input_hosts=f"http://*.evil.example:{files.port}")  # fmt: skip
    assert asked == ["a.evil.example"]
    with pytest.raises(HostNotAllowed, match="leads to 127.0.0.1"):
        fetch(f"http://a.evil.example:{files.port}/sound", tmp_path / "b",
              input_hosts=f"http://*.evil.example:{files.port}")  # fmt: skip
    assert not files.asked
    # A name that is in the list itself is the operator's word.
    answers.append(["169.254.0.1", "127.0.0.1"])
    hosts = f"http://*.evil.example:{files.port} http://a.evil.example:{files.port}"
    fetch(f"http://a.evil.example:{files.port}/sound", tmp_path / "c", input_hosts=hosts)
    assert (tmp_path / "c").read_bytes() == SOUND


def test_nobody_there_and_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        origin = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SourceUnreachable, match="no answer"):
            fetch(f"{origin}/a?token=secret", tmp_path / "a", input_hosts=origin)

    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(errno.ENOENT, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(SourceUnreachable, match="there is no host no.such.example") as refused:
        fetch("https://no.such.example/a", tmp_path / "a", input_hosts="no.such.example")
    assert "找不到主机" in refused.value.chinese


@pytest.mark.parametrize("host", ["a..example.com", f"{'a' * 64}.example.com"])
def test_a_name_that_no_host_can_have(tmp_path: Path, host: str) -> None:
    with pytest.raises(SourceUnreachable, match="there is no host a.*can be called so"):
        fetch(f"https://{host}/a", tmp_path / "a", input_hosts="*.example.com")


def test_a_failure_of_our_own_disk_is_not_the_hosts(files: FileServer) -> None:
    async def act() -> None:
        target = outgoing.read(files.url("sound"), "url")
        (entry,) = AllowedOrigins(files.origin)._entries
        async with outgoing.answer("GET", target, entry):
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        asyncio.run(act())


def test_a_service_for_which_nobody_is_named_says_so() -> None:
    source = Sources(in_use())
    with pytest.raises(HostNotAllowed, match=r"allow https://example.com in outgoing.input_hosts"):
        source.check("https://example.com/a.wav")
    assert sources.FIELD == "url"
