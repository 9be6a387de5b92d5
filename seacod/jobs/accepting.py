"""How the job store (`store.py`) takes jobs on: whether there is room for them, whether the same
was sent before, and the transaction from which on a job is finished whatever happens. Every call
blocks."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import Engine, case, func, select
from sqlalchemy.exc import IntegrityError

from seacod.asr.choice import EVERYTHING, SoundChoice
from seacod.config.results import ResultSettings
from seacod.errors import QuotaExceeded
from seacod.jobs import address_book, submissions, turns
from seacod.jobs.blobs import DirectoryBlobs
from seacod.jobs.database import files, jobs
from seacod.jobs.model import FileState, Submission


class Accepting:
    """A part of `JobStore`, which has the database and the blobs."""

    blobs: DirectoryBlobs
    _database: Engine

    def accept(
        self,
        job: str,
        client: str,
        hotwords: str,
        named: Sequence[tuple[str, int]],
        choice: SoundChoice = EVERYTHING,
        choices: str = "{}",
        submission: Submission | None = None,
        callback_url: str = "",
        elsewhere: Mapping[int, str] = MappingProxyType({}),
    ) -> str:
        """Take on the recordings in `blobs.incoming(job)`, numbered from 1.

        Args:
            named: name and size of each.
            choice: what of them is to be heard.
            choices: what is said about the formats, as JSON.
            submission: what its client calls it; None for nothing.
            callback_url: who is to be told when it is over; empty for nobody.
            elsewhere: by number, where those lie that were put outside (`reserve`).

        Returns:
            The job, which is an earlier one where this submission was accepted before; then nothing
            of this one is kept.

        Raises:
            KeyReused: its client called something else so.
            NotReady: what was put outside is being deleted again.
        """
        self.blobs.put(job, len(named), elsewhere)
        try:
            with self._database.begin() as connection:
                now = time.time()
                connection.execute(
                    jobs.insert(),
                    {
                        "id": job,
                        "client": client,
                        "hotwords": hotwords,
                        "created": now,
                        "claimed": turns.joining(connection, client, now),
                        **choice.fields(),
                        "choices": choices,
                        "callback_url": callback_url,
                    },
                )
                connection.execute(
                    files.insert(),
                    [
                        {"job": job, "number": number, "name": name, "size_bytes": size,
                         "state": FileState.WAITING.value, "place": elsewhere.get(number, ""),
                         "crashes": -address_book.UNSEEN if number in elsewhere else 0}
                        for number, (name, size) in enumerate(named, 1)
                    ],
                )  # fmt: skip
                if elsewhere:
                    address_book.settle(connection, job, elsewhere.values())
                if submission is not None:
                    submissions.keep(connection, client, submission, job)
        except IntegrityError:
            # The same came twice at once, and the other one was quicker.
            self.blobs.forget(job)
            earlier = self.submitted(client, submission) if submission is not None else None
            if earlier is None:
                raise
            return earlier
        return job

    def submitted(self, client: str, submission: Submission) -> str | None:
        """The job that a client's submission became; None before it was accepted.

        Raises:
            KeyReused: its client called something else so.
        """
        with self._database.begin() as connection:
            return submissions.find(connection, client, submission)

    def check_room(
        self, client: str, more_bytes: int, limits: ResultSettings, more_files: int = 0
    ) -> None:
        """Whether so much more of this client's recordings may be kept.

        Raises:
            QuotaExceeded: with them, there would be too many, or too much.
        """
        # Who cancels has the places of its files still, until its job is deleted.
        states = ("waiting", "running", "failed", "poison", "canceled")
        size = case((files.c.state == "canceled", 0), else_=files.c.size_bytes)
        is_theirs = jobs.c.client == client
        kept = (
            select(
                func.count(),
                func.coalesce(func.sum(size), 0),
                func.coalesce(func.sum(case((is_theirs, 1), else_=0)), 0),
                func.coalesce(func.sum(case((is_theirs, size), else_=0)), 0),
            )
            .select_from(files.join(jobs, jobs.c.id == files.c.job))
            .where(files.c.state.in_(states))
        )
        with self._database.begin() as connection:
            count, whole, their_count, theirs = map(int, connection.execute(kept).one())
        if their_count + more_files > limits.max_client_files:
            raise QuotaExceeded.files_of_client(their_count, limits.max_client_files)
        if count + more_files > limits.max_kept_files:
            raise QuotaExceeded.files_of_all(limits.max_kept_files)
        if theirs + more_bytes > limits.max_client_bytes:
            raise QuotaExceeded.of_client(theirs, limits.max_client_bytes)
        if whole + more_bytes > limits.max_bytes:
            raise QuotaExceeded.of_all(limits.max_bytes)
