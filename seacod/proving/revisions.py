"""Another revision of this program, to be measured side by side with this one: its tree from git,
run by the same Python."""

from __future__ import annotations

import contextlib
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import seacod
from seacod.errors import BadRequest
from seacod.system.processes.interpreter import python

OWN_TREE = Path(seacod.__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Revision:
    """A tree that holds the package `seacod`; `commit` is empty for this one, as it lies here."""

    commit: str
    tree: Path


@contextlib.contextmanager
def checked_out(name: str) -> Iterator[Revision]:
    """The tree of a revision, in a directory that is taken away again.

    Args:
        name: whatever git takes for a commit.

    Raises:
        BadRequest: this is no checkout, git is missing, or there is no such revision.
    """
    if "-P" not in python():
        # Workers are started with -I there, which passes over PYTHONPATH.
        raise BadRequest(
            "--against needs Python 3.11 or later", "--against 需要 Python 3.11 以上版本"
        )
    commit = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    archive = _git("archive", "--format=tar", commit.decode().strip(), "seacod")
    with tempfile.TemporaryDirectory(prefix="seacod-revision-") as scratch:
        with tarfile.open(fileobj=BytesIO(archive)) as packed:
            packed.extractall(scratch, filter="data")
        yield Revision(commit.decode().strip(), Path(scratch))


def _git(*arguments: str) -> bytes:
    try:
        return subprocess.run(
            ["git", "-C", str(OWN_TREE), *arguments], check=True, capture_output=True
        ).stdout
    except FileNotFoundError:
        why = "git is not installed", "没有安装 git"
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode("utf-8", "replace").strip().splitlines()
        why = lines[-1] if lines else "there is no such revision", "没有这个版本"
    raise BadRequest(
        f"--against: {why[0]}; it takes a revision of the git checkout that seacod runs from",
        f"--against：{why[1]}；需要 seacod 所在 git 检出目录中的一个版本",
    )
