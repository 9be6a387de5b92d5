"""The Debian package and the wheel, built and used: the package on a machine with a real systemd
that has never seen seacod."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import sounds
from knocking import Knocking, is_refused
from machine import Machine
from operating import health, is_serving, transcribe
from supervised import ROOT, wait_until

pytestmark = pytest.mark.timeout(1500)
LEFT = ("/etc/seacod", "/var/lib/seacod", "/var/log/seacod", "/opt/seacod")


def make(what: str, checkout: Path, *options: str) -> None:
    done = subprocess.run(
        ["make", what, *options], cwd=checkout, capture_output=True, text=True, check=False,
        timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Built from a copy, so that the checkout stays as it is; quickly: whether it is packed and
    compiled as users get it, a smaller one says below."""
    for program in ("make", "dpkg-deb"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is missing: apt-get install make dpkg")
    # On a disk: it is big.
    checkout = tmp_path_factory.mktemp("package") / "seacod"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".venv", ".git", "dist", "build"))
    make("deb", checkout, "OPTIONS=--quick")
    (found,) = (checkout / "dist").glob("seacod_*.deb")
    yield found
    shutil.rmtree(checkout)


@pytest.fixture(scope="module")
def fresh(nspawn: None) -> Iterator[Machine]:
    """A machine of this file's own."""
    with Machine(ROOT) as booted:
        yield booted


def apt(machine: Machine, *arguments: str) -> str:
    # What dpkg writes need not outlive a power cut.
    return machine.run(
        "apt-get", "-y", "-q", "-o", "DPkg::Options::=--force-unsafe-io", *arguments,
        DEBIAN_FRONTEND="noninteractive", timeout=600,
    ).stdout  # fmt: skip


def test_the_package_installs_serves_and_purges(fresh: Machine, package: Path) -> None:
    target = fresh.root / "srv" / package.name
    shutil.copy(package, target)
    apt(fresh, "install", "--no-install-recommends", f"/srv/{package.name}")
    # apt-get has returned, so the model answers.
    assert transcribe(fresh)["text"] == sounds.SPEECH_TEXT
    assert health()["model"] == "builtin"
    assert fresh.show("UnitFileState") == "enabled"
    assert int(fresh.show("MemoryHigh")) < int(fresh.show("MemoryMax")), "no limits of memory"
    assert fresh.run("seacod", "--version").stdout.startswith("seacod ")
    assert "NAME" in fresh.run("man", "-P", "cat", "seacod", MANWIDTH="80").stdout
    said = fresh.run("seacod", "check", check=False)
    assert said.returncode in (0, 1), said.stdout
    for item in ("service", "recognition", "permissions", "boot", "watchdog", "ports"):
        assert f"ok    {item}" in said.stdout or (item == "ports" and "warn  ports" in said.stdout)
    # Nothing in it remembers where it was built.
    where = str(package.parent.parent)
    assert fresh.run("grep", "-rlIF", where, "/opt/seacod/venv/bin", check=False).stdout == ""
    # Installed again, as an upgrade is: what the operator has changed stays.
    fresh.run("sh", "-c", "echo '# mine' >> /etc/seacod/seacod.yaml")
    apt(fresh, "install", "--reinstall", f"/srv/{package.name}")
    assert fresh.run("tail", "-1", "/etc/seacod/seacod.yaml").stdout == "# mine\n"
    wait_until(is_serving, "the service after the upgrade")

    apt(fresh, "remove", "seacod")
    assert not is_serving()
    fresh.run("test", "-s", "/etc/seacod/seacod.yaml")
    fresh.run("test", "-d", "/var/lib/seacod")
    assert fresh.run("test", "-e", "/opt/seacod", check=False).returncode != 0
    apt(fresh, "purge", "seacod")
    for gone in LEFT:
        assert fresh.run("test", "-e", gone, check=False).returncode != 0, gone
    assert fresh.run("getent", "passwd", "seacod", check=False).returncode != 0
    places = "/etc /opt /usr/bin /usr/lib/systemd /lib/systemd /var/lib/seacod /run/seacod"
    found = f"find {places} -name '*seacod*' 2>/dev/null"
    assert fresh.run("sh", "-c", found, check=False).stdout == ""


OLDER = {
    "DEBIAN/control": "Package: seacod\nVersion: 0.0.9\nArchitecture: {architecture}\n"
    "Maintainer: nobody <nobody@localhost>\nDescription: with a socket unit\n",
    "lib/systemd/system/seacod.socket": "[Socket]\nListenStream=0.0.0.0:7860\n"
    "FileDescriptorName=http\n[Install]\nWantedBy=sockets.target\n",
    "lib/systemd/system/seacod.service": "[Unit]\nRequires=seacod.socket\nAfter=seacod.socket\n"
    "[Service]\nExecStart=/usr/bin/python3 -c 'import time; time.sleep(3600)'\n"
    "[Install]\nWantedBy=multi-user.target\n",
}


def test_an_older_package_with_a_socket_unit_is_upgraded_and_nobody_is_refused(
    fresh: Machine, package: Path
) -> None:
    shutil.copy(package, fresh.root / "srv" / package.name)
    architecture = package.stem.rpartition("_")[2]
    for name, text in OLDER.items():
        file = fresh.root / "srv/older" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.format(architecture=architecture))
    fresh.run("dpkg-deb", "--root-owner-group", "--build", "/srv/older", "/srv/older.deb")
    apt(fresh, "install", "/srv/older.deb")
    fresh.run("systemctl", "daemon-reload")
    fresh.run("systemctl", "enable", "-q", "--now", "seacod.socket", "seacod.service")
    with Knocking(7860) as knocking:
        apt(fresh, "install", "--no-install-recommends", f"/srv/{package.name}")
        fresh.run("systemctl", "restart", "seacod")
    assert knocking.refused == 0
    assert knocking.let_in > 100
    assert transcribe(fresh)["text"] == sounds.SPEECH_TEXT
    assert fresh.show("LoadState", "seacod.socket") == "not-found"
    fresh.run("systemctl", "stop", "seacod")
    assert is_refused(7860)
    apt(fresh, "purge", "seacod")
    found = fresh.run("sh", "-c", "find /etc /run/systemd /lib/systemd -name '*seacod*'").stdout
    assert found == ""


def test_the_package_is_not_mixed_with_what_install_sh_made(fresh: Machine, package: Path) -> None:
    target = fresh.root / "srv" / package.name
    if not target.exists():
        shutil.copy(package, target)
    fresh.run("mkdir", "-p", "/opt/seacod")
    fresh.run("touch", "/opt/seacod/installed-files")
    done = fresh.run("dpkg", "-i", f"/srv/{package.name}", check=False)
    assert done.returncode != 0
    assert "install.sh has installed it here already" in done.stderr
    fresh.run("rm", "-r", "/opt/seacod")


def test_install_sh_does_not_mix_with_what_the_package_made(fresh: Machine) -> None:
    fresh.run("mkdir", "-p", "/opt/seacod/venv/bin")
    for option in ("--model builtin", "--uninstall", "--purge"):
        done = fresh.run("/srv/seacod/install.sh", *option.split(), check=False)
        assert done.returncode == 1, option
        assert "the Debian package has installed seacod here already" in done.stderr
    fresh.run("test", "-d", "/opt/seacod/venv/bin")
    assert fresh.run("test", "-e", "/etc/systemd/system/seacod.service", check=False).returncode
    fresh.run("rm", "-r", "/opt/seacod")


def test_what_users_get_is_packed_and_compiled_for_where_it_will_lie(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", venv], check=True)
    (libraries,) = venv.glob("lib/python3*/site-packages")
    (libraries / "one").mkdir()
    (libraries / "one/module.py").write_text("def where(): pass\n")
    program = venv / "bin/seacod"
    program.write_text(f"#!{venv}/bin/python\n")
    program.chmod(0o755)
    done = subprocess.run(
        [ROOT / "tools/make_deb", "--venv", venv, tmp_path],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    package = Path(done.stdout.strip())
    # An archive of ar: how the files are packed is in the name of its member.
    assert b"data.tar.zst " in package.read_bytes()
    subprocess.run(["dpkg-deb", "-x", package, tmp_path / "there"], check=True)
    there = tmp_path / "there/opt/seacod/venv"
    (compiled,) = there.glob("lib/python3*/site-packages/one/__pycache__/module.*.pyc")
    source = f"/opt/seacod/venv/{libraries.relative_to(venv)}/one/module.py"
    assert source.encode() in compiled.read_bytes()
    assert (there / "bin/seacod").read_text() == "#!/opt/seacod/venv/bin/python\n"
    assert str(tmp_path) not in (there / "pyvenv.cfg").read_text()


def test_the_wheel_has_everything_and_runs(tmp_path: Path) -> None:
    checkout = tmp_path / "seacod"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".venv", ".git", "dist", "build"))
    # `make wheel` builds with the checkout's own environment.
    (checkout / ".venv").symlink_to(Path(sys.prefix))
    make("wheel", checkout)
    (wheel,) = (checkout / "dist").glob("seacod-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if name.startswith("seacod/")}
        archive.extractall(tmp_path / "unpacked")
    there = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "seacod").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == there
    done = subprocess.run(
        [sys.executable, "-P", "-c",
         f"import sys; sys.path.insert(0, {str(tmp_path / 'unpacked')!r});"
         "import seacod.cli.main as c; assert 'unpacked' in c.__file__; "
         "c.main(['config', 'example'])"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout == (ROOT / "etc/seacod.yaml").read_text("utf-8"), done.stderr
