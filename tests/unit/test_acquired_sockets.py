"""The sockets of a service: what the settings want, what systemd hands over, what is kept for the
next life. Real sockets; systemd's store is a dictionary."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from supervised import free_port

from seacod.config.schema import Settings
from seacod.errors import EX_CONFIG, EX_OSERR, AddressInUse, AddressNotThere, ConfigError
from seacod.supervisor.sockets import binding
from seacod.supervisor.sockets.acquire import acquire, remove_files
from seacod.supervisor.sockets.inherited import Inherited
from seacod.supervisor.sockets.listener import Listeners


class Store:
    """As systemd has it: it holds descriptors of its own."""

    def __init__(self, *, is_there: bool = True) -> None:
        self.is_there = is_there
        self.kept: dict[str, socket.socket] = {}

    def keep(self, name: str, kept: socket.socket) -> None:
        assert ":" not in name
        assert name.isascii()
        if self.is_there:
            self.kept[name] = kept.dup()

    def forget(self, name: str) -> None:
        self.kept.pop(name).close()

    def handed_over(self) -> list[Inherited]:
        return [Inherited(name, one.dup()) for name, one in self.kept.items()]

    def close(self) -> None:
        for one in self.kept.values():
            one.close()


@pytest.fixture
def store() -> Iterator[Store]:
    with contextlib.closing(Store()) as one:
        yield one


def settings(listen: str, **server: object) -> Settings:
    return Settings.model_validate({"server": {"listen": listen, **server}, "metrics": {"port": 0}})


def close(listeners: Listeners) -> None:
    """As the kernel does when the process ends."""
    for _, listener in listeners.all():
        listener.socket.close()


def addresses(listeners: Listeners) -> list[str]:
    return [listener.address for _, listener in listeners.all()]


def connect(address: str) -> None:
    family = socket.AF_UNIX if address.startswith("/") else socket.AF_INET
    host, _, port = address.rpartition(":")
    with socket.socket(family) as client:
        client.connect(address if family == socket.AF_UNIX else (host, int(port)))


def test_every_address_is_listened_on(store: Store, tmp_path: Path) -> None:
    port, funasr, path = free_port(), free_port(), str(tmp_path / "http.sock")
    given = settings(f"0.0.0.0:{port} [::]:{port} {path}", funasr_port=funasr)
    found = acquire(given, [], store)
    assert [one.address for one in found.http] == [f"0.0.0.0:{port}", f"[::]:{port}", path]
    assert [one.address for one in found.funasr] == [f"0.0.0.0:{funasr}", f"[::]:{funasr}"]
    assert found.local_url == f"http://127.0.0.1:{port}"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
    for _, listener in found.all():
        with socket.socket(listener.target.family) as client:
            client.connect(listener.target.address)
    close(found)


def test_the_next_life_takes_up_the_very_sockets(store: Store, tmp_path: Path) -> None:
    port = free_port()
    given = settings(f"127.0.0.1:{port} {tmp_path / 'http.sock'}")
    first = acquire(given, [], store)
    inodes = [os.fstat(one.socket.fileno()).st_ino for one in first.http]
    close(first)
    for address in (f"127.0.0.1:{port}", str(tmp_path / "http.sock")):
        connect(address)
    second = acquire(given, store.handed_over(), store)
    assert [os.fstat(one.socket.fileno()).st_ino for one in second.http] == inodes
    assert all(one.is_kept and not one.is_from_unit for one in second.http)
    close(second)


def test_an_address_that_is_named_no_more_is_free_at_once(store: Store, tmp_path: Path) -> None:
    port, path = free_port(), tmp_path / "http.sock"
    close(acquire(settings(f"127.0.0.1:{port} {path}"), [], store))
    # systemd closes its own a moment after it is told: here it never does.
    kept, store.forget = dict(store.kept), lambda name: None  # type: ignore[method-assign]
    found = acquire(settings(f"0.0.0.0:{port}"), store.handed_over(), store)
    assert addresses(found) == [f"0.0.0.0:{port}"]
    assert not path.exists()
    connect(f"127.0.0.1:{port}")
    close(found)
    for one in kept.values():
        one.close()


def test_a_unix_socket_whose_path_is_gone_is_made_again(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    close(acquire(settings(str(path)), [], store))
    path.unlink()
    found = acquire(settings(str(path)), store.handed_over(), store)
    connect(str(path))
    close(found)


def listening(
    host: str = "127.0.0.1", family: socket.AddressFamily = socket.AF_INET
) -> socket.socket:
    one = socket.socket(family)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    one.bind((host, 0))
    one.listen()
    return one


def test_all_sockets_of_a_socket_unit_are_taken_and_decide(store: Store) -> None:
    units = [listening(), listening("::1", socket.AF_INET6), listening()]
    funasr = units[2].getsockname()[1]
    given = settings("", port=free_port(), funasr_port=funasr, host="127.0.0.1")
    found = acquire(given, [Inherited("seacod.socket", one) for one in units], store)
    assert [one.socket for one in found.http] == units[:2]
    assert [one.socket for one in found.funasr] == units[2:]
    assert all(one.is_from_unit and one.is_kept for _, one in found.all())
    close(found)


def test_a_socket_unit_that_goes_does_not_take_a_configured_address_along(store: Store) -> None:
    """An upgrade from a release that came with one."""
    unit = listening()
    port = unit.getsockname()[1]
    given = settings(f"127.0.0.1:{port}")
    found = acquire(given, [Inherited("http", unit.dup())], store)
    close(found)
    # Both hand it over as long as both have it.
    found = acquire(given, [Inherited("http", unit.dup()), *store.handed_over()], store)
    assert len(found.http) == 1
    close(found)
    unit.close()
    connect(f"127.0.0.1:{port}")
    found = acquire(given, store.handed_over(), store)
    assert addresses(found) == [f"127.0.0.1:{port}"]
    assert not found.http[0].is_from_unit
    close(found)


def test_without_systemd_nothing_is_kept_and_no_path_is_left(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    found = acquire(settings(str(path)), [], Store(is_there=False))
    assert not found.http[0].is_kept
    remove_files(found)
    assert not path.exists()
    close(found)


def test_what_a_killed_service_left_is_no_obstacle_and_another_program_is(tmp_path: Path) -> None:
    path = tmp_path / "http.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(AddressInUse, match=r"server\.listen: .*http\.sock is taken"):
            acquire(settings(str(path)), [], Store())
    close(acquire(settings(str(path)), [], Store(is_there=False)))
    path.unlink()
    path.write_text("precious")
    with pytest.raises(ConfigError, match="is no socket"):
        acquire(settings(str(path)), [], Store())
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"host": "192.0.2.1"}, r"server\.host: cannot listen on 192\.0\.2\.1:"),
        ({"host": "no.such.name.invalid"}, r"server\.host: 'no\.such\.name\.invalid' is not an"),
        ({"listen": "192.0.2.1:7860"}, r"server\.listen: cannot listen on 192\.0\.2\.1:7860"),
        ({"listen": "/no/such/directory/x"}, r"server\.listen: cannot listen on /no/such"),
    ],
)
def test_an_address_that_is_not_ours_yet_is_one_sentence_and_tried_again(
    given: dict[str, str], words: str
) -> None:
    """The name server, a virtual address or a directory came five seconds after the service."""
    with pytest.raises(AddressNotThere, match=words) as told:
        acquire(settings(**{"listen": "", **given}), [], Store())
    assert told.value.exit_code == EX_OSERR


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"host": "a" * 70 + ".example"}, r"server\.host: 'a+\.example' is not an"),
        ({"listen": "/etc/hosts/x"}, r"server\.listen: cannot listen on /etc/hosts/x: Not a dir"),
    ],
)
def test_one_that_never_will_be_is_not_tried_again(given: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as told:
        acquire(settings(**{"listen": "", **given}), [], Store())
    assert told.value.exit_code == EX_CONFIG


def test_a_full_queue_of_somebody_else_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor's loop looks at the path while it serves."""

    class Watched(socket.socket):
        def connect(self, address: object) -> None:
            assert self.gettimeout() == 0.0
            super().connect(address)  # type: ignore[arg-type]

    path = tmp_path / "http.sock"
    with contextlib.ExitStack() as kept:
        other = kept.enter_context(socket.socket(socket.AF_UNIX))
        other.bind(str(path))
        other.listen(0)
        with contextlib.suppress(BlockingIOError):
            for _ in range(100):
                client = kept.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                client.connect(str(path))
        monkeypatch.setattr(binding.socket, "socket", Watched)
        assert not binding.is_left(path)
        monkeypatch.undo()
        assert path.exists()
    assert binding.is_left(path)
    assert not path.exists()
