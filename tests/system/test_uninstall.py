"""Upgrade, fall-back to the built-in model, removal: the last things done to the service."""

from __future__ import annotations

import pytest
import sounds
from machine import Machine
from operating import health, is_serving, transcribe

pytestmark = pytest.mark.timeout(1200)


def test_an_older_installation_is_upgraded_and_keeps_its_configuration(service: Machine) -> None:
    source = service.root / "srv/seacod"
    code = source / "seacod/__init__.py"
    code.write_text(code.read_text().replace('__version__ = "', '__version__ = "9.'))
    shipped = source / "etc/seacod.yaml"
    shipped.write_text(shipped.read_text("utf-8") + "# a new key\n", "utf-8")
    kept = service.run("cat", "/etc/seacod/seacod.yaml").stdout
    old_release = service.run("readlink", "/opt/seacod/venv").stdout

    outcome = service.install()

    assert health()["version"].startswith("9.")
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT
    assert service.run("cat", "/etc/seacod/seacod.yaml").stdout == kept
    assert "# a new key" in service.run("cat", "/etc/seacod/seacod.yaml.new").stdout
    assert "seacod.yaml.new" in outcome.stdout
    # One release back stays, to return to.
    service.run("test", "-e", f"/opt/seacod/{old_release.strip()}")


def test_the_release_before_is_one_command_away(service: Machine) -> None:
    present = service.run("readlink", "/opt/seacod/venv").stdout
    said = service.run("seacod", "rollback").stdout
    assert "forward again" in said
    assert not health()["version"].startswith("9.")
    assert transcribe(service)["text"] == sounds.SPEECH_TEXT
    assert service.run("readlink", "/opt/seacod/venv").stdout != present


def test_without_the_real_model_the_built_in_one_is_taken_and_said(service: Machine) -> None:
    service.run("rm", "/etc/seacod/seacod.yaml")
    nowhere = "http://127.0.0.1:9"
    outcome = service.run("/srv/seacod/install.sh", SEACOD_TORCH="cpu", https_proxy=nowhere,
                          HTTPS_PROXY=nowhere, timeout=1200)  # fmt: skip
    said = outcome.stdout + outcome.stderr
    assert "cannot be fetched from ModelScope" in said
    assert "asr.model is builtin" in said
    assert "Traceback" not in said
    assert health()["model"] == "builtin"


def test_uninstall_keeps_what_is_the_operators_and_purge_does_not(service: Machine) -> None:
    service.run("sh", "-c", "echo precious > /var/lib/seacod/result.txt")
    service.run("mkdir", "-p", "/etc/credstore", "/etc/systemd/system/seacod.service.d")
    service.write("/etc/credstore/seacod.smtp-password", "a password")
    service.write("/etc/systemd/system/seacod.service.d/override.conf", "[Service]\nNice=5\n")
    said = service.install("--uninstall").stdout
    for kept in ("/etc/seacod", "/var/lib/seacod", "/etc/credstore/seacod.smtp-password",
                 "/etc/systemd/system/seacod.service.d", "the user seacod"):  # fmt: skip
        assert kept in said, said
    for gone in ("/opt/seacod", "/etc/systemd/system/seacod.service", "/usr/local/bin/seacod",
                 "/etc/systemd/system/seacod.socket", "/etc/logrotate.d/seacod"):  # fmt: skip
        assert service.run("test", "-e", gone, check=False).returncode != 0, gone
    service.run("test", "-s", "/etc/seacod/seacod.yaml")
    service.run("test", "-s", "/var/lib/seacod/result.txt")
    assert not is_serving()

    service.install("--purge")
    for gone in ("/etc/seacod", "/var/lib/seacod", "/var/log/seacod"):
        assert service.run("test", "-e", gone, check=False).returncode != 0, gone
    assert service.run("getent", "passwd", "seacod", check=False).returncode != 0
    left = service.run(
        "sh", "-c", "find /etc /opt /usr/local /var/lib /run -name '*seacod*'"
    ).stdout
    assert left == ""
