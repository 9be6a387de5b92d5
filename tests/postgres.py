"""A real PostgreSQL of a test's own, in a directory that goes with it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import psutil
import pytest
from supervised import free_port

# Of the role that the tests connect as; over TCP nobody comes in without.
PASSWORD = "a secret"
# Debian keeps each version in a directory of its own, out of PATH.
_PLACES = "/usr/lib/postgresql/*/bin"


def programs() -> Path | None:
    """Where the newest PostgreSQL of this machine lies."""
    found = sorted(Path("/").glob(_PLACES.lstrip("/")), key=lambda p: float(p.parent.name))
    return found[-1] if found else None


class Postgres:
    """A server; use as a context manager.

    Args:
        directory: empty, below one that everybody may enter.
        network: from which machines may come, at whose address `host` it listens, too.
    """

    def __init__(self, directory: Path, host: str = "", network: str = "") -> None:
        place = programs()
        if place is None:
            pytest.skip("PostgreSQL is missing: apt-get install postgresql")
        self._programs = place
        self._data = directory / "data"
        self._directory = directory
        self.port = free_port()
        self._host, self._network = host, network

    def __enter__(self) -> Postgres:
        if os.geteuid() == 0:
            # It refuses to run as root.
            shutil.chown(self._directory, "postgres", "postgres")
        self._call("initdb", "-D", self._data, "-U", "postgres", "--auth-local=trust",
                   "--auth-host=scram-sha-256", "-E", "UTF8", "--no-sync")  # fmt: skip
        if self._network:
            with (self._data / "pg_hba.conf").open("a") as who:
                who.write(f"host all all {self._network} scram-sha-256\n")
        self.start()
        self._call("psql", "-h", self._directory, "-p", self.port, "-U", "postgres", "-c",
                   f"CREATE ROLE seacod LOGIN PASSWORD '{PASSWORD}'")  # fmt: skip
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        hosts = ",".join(filter(None, ("127.0.0.1", self._host)))
        options = f"-p {self.port} -k {self._directory} -c listen_addresses={hosts}"
        self._call("pg_ctl", "-D", self._data, "-w", "-l", self._directory / "log",
                   "-o", options, "start")  # fmt: skip

    def stop(self) -> None:
        """At once, as a machine goes down."""
        self._call("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def fresh(self) -> str:
        """The address of an empty database."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self._call("createdb", "-h", self._directory, "-p", self.port, "-U", "postgres",
                   "-O", "seacod", name)  # fmt: skip
        return f"postgresql://seacod@127.0.0.1:{self.port}/{name}"

    def run(self, statement: str, address: str) -> None:
        """Have its administrator do something in the database of an address, whose name is `{}`."""
        name = address.rpartition("/")[2]
        self._call("psql", "-h", self._directory, "-p", self.port, "-U", "postgres", "-d", name,
                   "-v", "ON_ERROR_STOP=1", "-c", "SET default_transaction_read_only = off",
                   "-c", statement.format(name))  # fmt: skip

    def rows(self, question: str, address: str) -> list[list[str]]:
        """What it answers to a question, as text."""
        name = address.rpartition("/")[2]
        command = [str(self._programs / "psql"), "-h", str(self._directory), "-p", str(self.port),
                   "-U", "postgres", "-d", name, "-AtF,", "-c", question]  # fmt: skip
        told = subprocess.run(
            self._as_its_user(command), check=True, capture_output=True, text=True, cwd="/"
        )
        return [line.split(",") for line in told.stdout.splitlines()]

    def backends(self) -> list[int]:
        """The processes that work for those who are connected."""
        pid = int((self._data / "postmaster.pid").read_text().split()[0])
        every = psutil.Process(pid).children()
        return [one.pid for one in every if "seacod" in " ".join(one.cmdline())]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Who connects meanwhile is heard by nobody."""
        pid = int((self._data / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def _call(self, program: str, *arguments: object) -> None:
        command = self._as_its_user([str(self._programs / program), *map(str, arguments)])
        # Output to a file: the server would keep a pipe open.
        with (self._directory.parent / "postgres.log").open("ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, cwd="/")

    @staticmethod
    def _as_its_user(command: list[str]) -> list[str]:
        return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command
