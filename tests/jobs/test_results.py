"""The zip with the results of a job."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import cast

import pytest

from seacod.jobs.model import FileState, JobFile
from seacod.jobs.results import write_zip
from seacod.jobs.store import JobStore


def summary(name: str) -> str:
    """What a spreadsheet makes of the name of a recording."""
    failed = JobFile(
        "j", 1, name, 1, FileState.FAILED, 0, 0, None, None, None, "bad_audio", name, name
    )
    target = io.BytesIO()
    write_zip(target, cast(JobStore, None), [failed])
    with zipfile.ZipFile(target) as archive:
        table = archive.read("summary.csv").decode("utf-8-sig")
    row = next(csv.DictReader(io.StringIO(table, newline="")))
    assert row["name"] == row["error"] == row["error_zh"]
    return row["name"]


@pytest.mark.parametrize(
    "name",
    ["=cmd|x", '=HYPERLINK("http://x","y")', "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", " =1",
     "\n=1", "＝1", "　=1"],
)  # fmt: skip
def test_no_name_is_a_formula(name: str) -> None:
    assert summary(name) == f"'{name}"


@pytest.mark.parametrize("name", ["会议.wav", "a-b=c.wav", "", "'x", "1.wav"])
def test_other_names_stay_as_they_are(name: str) -> None:
    assert summary(name) == name
