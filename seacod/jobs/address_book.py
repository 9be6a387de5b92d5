"""What the shared database knows of recordings that lie outside of it, which `outside/places.py`
moves.

The store calls this inside its transactions. An address is written down before anything is put
there, and forgotten after it was deleted there, so that nothing stays for want of somebody who
knows of it: what is not needed is *doomed* in the transaction that ends the need, and deleted by
whichever worker is there (`outside/moving.py`).

Versions before 1_0002 know nothing of it. They claim what is waiting and has crashed zero times or
more; so a file that they could not read has crashed `UNSEEN` times less in the table.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    case,
    exists,
    func,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from seacod.errors import NotReady
from seacod.jobs.database import files, now, outside, places
from seacod.jobs.model import ORPHAN_SECONDS

UNSEEN = 1_000
# Of a file in the table, what `JobFile.crashes` is.
CRASHES: ColumnElement[int] = case(
    (files.c.place != "", files.c.crashes + UNSEEN), else_=files.c.crashes
)
_NEEDED = ("waiting", "running", "failed", "poison")
_DELETED_AT_ONCE = 16
# As `root_of` has it.
_BELOW_ROOT = "/[^/]*/[^/]*$"


@dataclass(frozen=True, slots=True)
class Reserved:
    """Room in a place for recordings of a job that is being accepted.

    Args:
        root: the place.
        identity: what its mark has to say.
        is_marked: whether it has to have one; where not, nobody has used it yet.
        addresses: by number of the recording.
    """

    root: str
    identity: str
    is_marked: bool
    addresses: dict[int, str]


def root_of(address: str) -> str:
    """The place in which a recording lies."""
    return address.rsplit("/", 2)[0]


def reserve(connection: Connection, root: str, job: str, numbers: Collection[int]) -> Reserved:
    """Write down what is about to be put there."""
    fresh = insert(places).values(root=root, identity=secrets.token_hex(16))
    connection.execute(fresh.on_conflict_do_nothing(index_elements=["root"]))
    row = connection.execute(select(places).where(places.c.root == root)).one()
    addresses = {number: f"{root}/{job}/{number:04}" for number in numbers}
    moment = now(connection)
    connection.execute(
        outside.insert(),
        [{"address": one, "job": job, "kept": moment} for one in addresses.values()],
    )
    return Reserved(root, row.identity, row.is_marked, addresses)


def marked(connection: Connection, root: str) -> None:
    """The place has its mark from now on."""
    connection.execute(update(places).where(places.c.root == root).values(is_marked=True))


def identity(connection: Connection, root: str) -> tuple[str, bool]:
    """What the mark of a place has to say, and whether it has to have one; nothing of a place that
    was never used."""
    row = connection.execute(select(places).where(places.c.root == root)).first()
    return ("", False) if row is None else (row.identity, row.is_marked)


def settle(connection: Connection, job: str, addresses: Collection[str]) -> None:
    """In the transaction that accepts the job.

    Raises:
        NotReady: it took so long that they are being deleted again.
    """
    mine = and_(outside.c.job == job, not_(outside.c.is_doomed))
    # Changed, not only locked: who dooms orphans at this moment looks at the row anew.
    touched = update(outside).where(mine).values(kept=now(connection))
    kept = connection.execute(touched.returning(outside.c.address)).scalars()
    if not set(addresses) <= set(kept):
        raise NotReady(
            "the recordings took too long to be kept; send them again",
            "保存录音耗时过长，请重新提交",
        )


def doom(connection: Connection, which: ColumnElement[bool]) -> None:
    """They are not needed any more."""
    connection.execute(update(outside).where(which).values(is_doomed=True))


def doom_orphans(connection: Connection, looks_older_by: float = 0.0) -> None:
    """Doom recordings of uploads that were never accepted, and those whose job was deleted or ended
    by a node that knows nothing of them; see `JobStore.delete_expired`."""
    theirs = files.c.place == outside.c.address
    is_old = func.abs(now(connection) - outside.c.kept) > ORPHAN_SECONDS + looks_older_by
    is_over = exists().where(theirs, files.c.state.not_in(_NEEDED))
    doom(
        connection,
        and_(not_(outside.c.is_doomed), or_(is_over, and_(is_old, not_(exists().where(theirs))))),
    )


def is_kept(connection: Connection, address: str) -> bool:
    """Whether the recording is still there, as far as anybody knows."""
    mine = and_(outside.c.address == address, not_(outside.c.is_doomed))
    return connection.execute(select(outside.c.job).where(mine)).first() is not None


def doomed(
    connection: Connection, without: Collection[str] = (), but: Collection[str] = ()
) -> Sequence[str]:
    """Some addresses where something is to be deleted; others may be at the same ones.

    Args:
        without: places where nothing can be deleted now.
        but: addresses where that was tried, or somebody still is.
    """
    root = func.regexp_replace(outside.c.address, _BELOW_ROOT, "")
    some = select(outside.c.address).where(
        outside.c.is_doomed, root.not_in(list(without)), outside.c.address.not_in(list(but))
    )
    some = some.order_by(func.random()).limit(_DELETED_AT_ONCE)
    return connection.execute(some).scalars().all()


def gone(connection: Connection, addresses: Collection[str]) -> None:
    """Nothing is there any more."""
    connection.execute(outside.delete().where(outside.c.address.in_(list(addresses))))
