"""Brings together the sockets of a service: what the settings want, and what systemd hands over.

A socket unit of the operator's decides where page and API are: all of its sockets are taken, and of
the settings none is opened. Otherwise each address of the settings is taken from systemd's file
descriptor store, where an earlier life of the service has left it, or opened now and put there. So
it outlives a restart and a SIGKILL, and goes with a stop, when systemd empties the store. Called
once by the daemon.
"""

from __future__ import annotations

import contextlib
import socket
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from seacod.config.schema import Settings
from seacod.supervisor.sockets.binding import Named, bind, is_left, resolved
from seacod.supervisor.sockets.inherited import Inherited
from seacod.supervisor.sockets.listener import Listener, Listeners, Serves
from seacod.system.net import listen_address
from seacod.system.net.listen_address import ListenAddress, is_ipv6_only

log = structlog.get_logger(__name__)

# What is ours in the store; a socket unit's names begin otherwise.
_PREFIX = "kept."
# sd_notify(3), FDNAME=.
_NAME_LETTERS = 255


class DescriptorStore(Protocol):
    """systemd's file descriptor store; see `notify.py`."""

    @property
    def is_there(self) -> bool:
        """Whether there is a systemd to keep anything."""

    def keep(self, name: str, kept: socket.socket) -> None: ...

    def forget(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class WantedAddress:
    """An address that the settings name.

    Args:
        serves: what is to be served there.
        address: where.
        is_ipv6_only: `::` leaves IPv4 to another one.
        settings: that say so.
    """

    serves: Serves
    address: ListenAddress
    is_ipv6_only: bool
    settings: Named

    @property
    def name(self) -> str:
        """In the store: what makes it another socket makes it another name."""
        family = "-v6only" if self.is_ipv6_only else ""
        text = urllib.parse.quote(str(self.address), safe="/[]")
        return f"{_PREFIX}{self.serves.value}{family}.{text}"[:_NAME_LETTERS]

    def is_at(self, one: socket.socket) -> bool:
        """Whether a socket listens just there."""
        if self.address.path or one.family == socket.AF_UNIX:
            return one.family == socket.AF_UNIX and one.getsockname() == self.address.path
        family, where = resolved(self.address, self.settings)
        if family != one.family or where[0] != one.getsockname()[0]:
            return False
        if family == socket.AF_INET6:
            only = bool(one.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
            if where[0] == "::" and only != self.is_ipv6_only:
                return False
        return where[1] in (0, one.getsockname()[1])


def wanted(settings: Settings) -> list[WantedAddress]:
    """Every address that the settings name."""
    server, metrics = settings.server, settings.metrics
    listens = bool(server.listen.strip())
    main = Named("server.listen", "server.listen") if listens else _HOST
    found = _each(Serves.HTTP, server.addresses, main)
    host = "server.listen" if listens else "server.host"
    found += _each(Serves.FUNASR, server.funasr_addresses, Named(host, "server.funasr_port"))
    if metrics.port:
        where = ListenAddress(metrics.host.strip("[]"), metrics.port)
        found += _each(Serves.METRICS, (where,), Named("metrics.host", "metrics.port"))
    return found


_HOST = Named("server.host", "server.port")


def _each(serves: Serves, addresses: Sequence[ListenAddress], named: Named) -> list[WantedAddress]:
    return [WantedAddress(serves, one, is_ipv6_only(one, addresses), named) for one in addresses]


def acquire(
    settings: Settings, inherited: Sequence[Inherited], store: DescriptorStore
) -> Listeners:
    """All sockets of the service.

    Args:
        settings: which name addresses.
        inherited: from systemd.
        store: keeps what is opened here.

    Raises:
        AddressInUse: another program has an address.
        AddressNotThere: one is not this machine's for now, or nobody knows its name.
        ConfigError: one is no address, or needs root.
    """
    places = wanted(settings)
    kept = {one.name: one.socket for one in inherited if one.name.startswith(_PREFIX)}
    found: dict[Serves, list[Listener]] = {serves: [] for serves in Serves}
    for one in inherited:
        if not one.name.startswith(_PREFIX):
            listener = Listener(one.socket, is_kept=True, is_from_unit=True)
            place = next((place for place in places if place.is_at(one.socket)), None)
            if place is not None and store.is_there:
                # A socket unit that goes while the service stays does not take it along.
                store.keep(place.name, one.socket)
            found[_served_on(listener, place, settings)].append(listener)
    if found[Serves.HTTP]:
        _tell_of_ignored(found[Serves.HTTP], settings)
    places = [place for place in places if not found[place.serves]]
    # First what goes: it may be in the way of what comes.
    used = {place.name: kept.pop(place.name) for place in places if _is_good(place, kept)}
    _drop(kept, [one for served in found.values() for one in served], store)
    for place in places:
        if (one_socket := used.get(place.name)) is None:
            one_socket = bind(place.address, place.settings, is_ipv6_only=place.is_ipv6_only)
            store.keep(place.name, one_socket)
        found[place.serves].append(Listener(one_socket, is_kept=store.is_there))
    return Listeners(**{serves.value: tuple(those) for serves, those in found.items()})


def remove_files(listeners: Listeners) -> None:
    """At the end of the service: of unix sockets that nobody keeps."""
    for _, listener in listeners.all():
        if listener.socket.family == socket.AF_UNIX and not listener.is_kept:
            with contextlib.suppress(OSError, ValueError):
                Path(listener.socket.getsockname()).unlink()


def _served_on(listener: Listener, place: WantedAddress | None, settings: Settings) -> Serves:
    """What a socket of a socket unit is for: by its port, and else page and API."""
    if place is not None:
        return place.serves
    if listener.port and listener.port == settings.server.funasr_port:
        return Serves.FUNASR
    if listener.port and listener.port == settings.metrics.port:
        return Serves.METRICS
    return Serves.HTTP


def _is_good(place: WantedAddress, kept: dict[str, socket.socket]) -> bool:
    """Whether the store has the socket of an address, and people still find it there."""
    one = kept.get(place.name)
    if one is None or not place.is_at(one):
        return False
    return not place.address.path or Path(place.address.path).is_socket()


def _drop(
    kept: dict[str, socket.socket], in_use: Sequence[Listener], store: DescriptorStore
) -> None:
    """Close what an earlier life has left and the settings name no more."""
    addresses = {listener.address for listener in in_use}
    for name, one in kept.items():
        address = listen_address.shown(one)
        if address in addresses:
            # A socket unit has the same one.
            one.close()
            continue
        log.info("address_given_up", address=address)
        # The store has it, too, and lets go of it a moment later: by this it is free at once.
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
        if address.startswith("/"):
            is_left(Path(address))
        store.forget(name)


def _tell_of_ignored(units: Sequence[Listener], settings: Settings) -> None:
    """With a socket unit the configured addresses have no effect: say so, once."""
    listening = {one.address for one in units}
    ignored = [str(one) for one in settings.server.addresses if str(one) not in listening]
    is_chosen = {"listen", "host", "port"} & settings.server.model_fields_set
    if ignored and is_chosen:
        log.warning(
            "server_address_ignored",
            configured=" ".join(ignored),
            listening=" ".join(sorted(listening)),
            hint="a socket unit of systemd decides: systemctl list-sockets",
        )
