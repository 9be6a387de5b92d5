"""Functions of install.sh, in a directory of their own in place of /opt/seacod; whole runs are in
tests/system."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from supervised import ROOT

# Environments take minutes to make; what is asked here is which of them stay.
STAND_INS = """
build_venv() { mkdir -p "$1"; }
renew_venv() { mkdir -p "$2"; }
libraries() { :; }
extras() { :; }
torch_kind() { echo cpu; }
remember() { :; }
"""


def called(prefix: Path, function: str, *, release: str = "x") -> subprocess.CompletedProcess[str]:
    """One function of the script, on this prefix."""
    script = (ROOT / "install.sh").read_text()
    main = 'main "$@"'
    assert script.rstrip().endswith(main)
    script = script.rstrip().removesuffix(main).replace("=/opt/seacod", f"={prefix}")
    script = script.replace("/usr/local/bin/seacod", f"{prefix}/seacod")
    own = f"{STAND_INS}release_name() {{ echo {release}; }}"
    file = prefix / "called.sh"
    file.write_text(f"{script}\n{own}\n{function}\n")
    return subprocess.run(["bash", file], capture_output=True, text=True, check=False)


def install(prefix: Path, release: str, at: float) -> None:
    done = called(prefix, "install_release; remove_old_releases", release=release)
    assert done.returncode == 0, done.stderr
    # As if it had been at another time than the others.
    os.utime(prefix / "releases" / release, (at, at))


def test_an_upgrade_keeps_the_release_that_was_used_though_it_is_not_the_youngest(
    tmp_path: Path,
) -> None:
    install(tmp_path, "good", 1000)
    install(tmp_path, "bad", 2000)
    (tmp_path / "venv").unlink()
    (tmp_path / "venv").symlink_to("releases/good")  # seacod rollback
    install(tmp_path, "next", 4e9)
    kept = sorted((tmp_path / "releases").iterdir(), key=lambda one: one.stat().st_mtime)
    assert [one.name for one in kept] == ["good", "next"]
    assert os.readlink(tmp_path / "venv") == "releases/next"


@pytest.mark.parametrize("function", ["install_service", "uninstall"])
def test_what_the_package_has_installed_is_left_alone(tmp_path: Path, function: str) -> None:
    (tmp_path / "venv/bin").mkdir(parents=True)
    done = called(tmp_path, f"require_systemd() {{ :; }}; {function}")
    assert done.returncode == 1
    assert "the Debian package has installed seacod here already" in done.stderr
    assert done.stdout == ""
    assert (tmp_path / "venv/bin").exists()
