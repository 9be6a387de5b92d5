"""What a batch of big recordings costs PostgreSQL, with them inside it and outside (docs/scale.md).

    python tools/measure_batch_bytes.py [RECORDINGS [MEGABYTES]]

A real server of its own; what nodes and server say to each other goes through a relay that counts.
Recordings are accepted, fetched by another node, and deleted.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from postgres import PASSWORD, Postgres

from seacod.jobs.model import FileState
from seacod.jobs.opening import open_store
from seacod.jobs.outside.places import Move, RecordingPlaces
from seacod.jobs.store import JobStore

_CHUNK_BYTES = 1 << 16


class Relay:
    """Passes everything on to a port of this machine, and counts it."""

    def __init__(self, port: int) -> None:
        self.bytes = 0
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            near, _ = self._listener.accept()
            far = socket.create_connection(("127.0.0.1", self._port))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        while data := one.recv(_CHUNK_BYTES):
            self.bytes += len(data)
            other.sendall(data)
        other.close()


def accept(store: JobStore, place: str, recordings: int, size: int) -> None:
    incoming = store.blobs.incoming("job")
    incoming.mkdir(parents=True)
    for number in range(1, recordings + 1):
        (incoming / f"{number:04}").write_bytes(os.urandom(size))
    addresses: dict[int, str] = {}
    if place:
        addresses = store.reserve(place, "job", range(1, recordings + 1)).addresses
        for number, address in addresses.items():
            RecordingPlaces(dict).send(incoming / f"{number:04}", address, Move())
    named = [(f"{number}.wav", size) for number in range(1, recordings + 1)]
    store.accept("job", "me", "", named, elsewhere=addresses)


def hear(store: JobStore) -> None:
    store.own("1-node")
    while (claimed := store.claim("1-node", 0)) is not None:
        file = claimed.file
        if file.place:
            RecordingPlaces(dict).bring(file.place, store.blobs.path(file), Move())
        else:
            store.blobs.fetch(file)
        store.blobs.keep(file, {"text": "啊" * 2_000})
        store.finish("1-node", file, FileState.DONE)


def measure(server: Postgres, directory: Path, place: str, recordings: int, size: int) -> None:
    address = server.fresh()
    relay = Relay(server.port)
    nodes = [
        open_store(
            directory / f"{name}{bool(place)}",
            address.replace(f":{server.port}/", f":{relay.port}/"),
            PASSWORD,
        )
        for name in ("one", "two")
    ]
    (began,) = server.rows("SELECT pg_current_wal_lsn()", address)[0]
    before = relay.bytes
    accept(nodes[0], place, recordings, size)
    (table,) = server.rows("SELECT pg_total_relation_size('recordings')", address)[0]
    hear(nodes[1])
    while gone := nodes[1].doomed():
        for one in gone:
            RecordingPlaces(dict).delete(one)
        nodes[1].gone(gone)
    nodes[1].delete("job")
    (log,) = server.rows(f"SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '{began}')", address)[0]
    where = "outside" if place else "in the database"
    print(
        f"{where}: log {int(log) / 1e6:.2f} MB, table {int(table) / 1e6:.2f} MB, "
        f"sent and read {(relay.bytes - before) / 1e6:.2f} MB"
    )
    for one in nodes:
        one.close()


def main() -> None:
    recordings = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    megabytes = int(sys.argv[2]) if len(sys.argv) > 2 else 30
    with tempfile.TemporaryDirectory(prefix="seacod-measure-") as above:
        directory = Path(above)
        directory.chmod(0o755)
        (directory / "server").mkdir()
        (directory / "place").mkdir()
        with Postgres(directory / "server") as server:
            print(server.rows("SELECT split_part(version(), ' ', 2)", server.fresh())[0][0])
            for place in ("", str(directory / "place")):
                measure(server, directory, place, recordings, megabytes * 1_000_000)


if __name__ == "__main__":
    main()
