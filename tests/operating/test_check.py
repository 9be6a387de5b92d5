"""`seacod check`: good on a good service, and each thing that is wrong is found, named and told how
to mend. The parts that only systemd has are in tests/system/test_service_check.py."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sounds
import typed
from receivers import MailServer, Robot, certificate
from supervised import Service, StandIn, fetch, free_port, wait_until

from seacod.models import manifest
from seacod.models.registry import BUILTIN
from seacod.proving.checks.registry import all_items


def check(
    config: Path, *arguments: str, **environment: str
) -> tuple[int, dict[str, dict[str, Any]]]:
    done = typed.seacod("check", "--json", "--config", config, *arguments, **environment)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, {item["name"]: item for item in json.loads(done.stdout)["items"]}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """A service whose worker is the stand-in: for what does not need recognition."""
    one = StandIn(tmp_path_factory.mktemp("check"))
    with one.running():
        yield one


def kept(service: Service) -> list[str]:
    """What there is of a service, without what it makes by itself meanwhile: what the ledger's
    database makes for a moment, and the batches it has measured."""
    found = (str(path) for path in service.directory.rglob("*"))
    own = ("usage.sqlite3-", "state/tuning.")
    return sorted(path for path in found if not any(one in path for one in own))


def test_a_good_service(live: Service) -> None:
    fetch(live.metrics_url, User_Agent="Prometheus/2.42.0")
    # A first visitor and a first recording: the service makes directories for them.
    check(live.config, "page", "recognition")
    # Who used what is written some seconds later.
    wait_until((live.directory / "state/usage.sqlite3").exists, "the ledger")
    before = kept(live)
    code, items = check(live.config)
    assert list(items) == list(all_items())
    bad = {name: item for name, item in items.items() if item["status"] == "fail"}
    assert not bad, bad
    well = "configuration service address ports page recognition hotwords device permissions"
    for name in [*well.split(), "metrics", "versions"]:
        assert items[name]["status"] == "ok", items[name]
    assert sounds.SPEECH_TEXT in items["recognition"]["seen"]
    assert "confidence 0." in items["recognition"]["seen"]
    assert "not without it" in items["hotwords"]["seen"]
    assert "Prometheus/2.42.0" in items["metrics"]["seen"]
    # It was started by hand, with the model for trying, and nobody is told.
    assert code == 1
    for name in ("boot", "watchdog", "mail", "model"):
        assert items[name]["status"] == "warn"
        assert items[name]["mend"]
        assert items[name]["mend_zh"]
    # It has only looked.
    assert kept(live) == before


def test_lines_for_people_in_both_languages(live: Service) -> None:
    for language, words in (("C.UTF-8", "for trying and"), ("zh_CN.UTF-8", "仅供试用")):
        done = typed.seacod("check", "model", "device", "--config", live.config, LANG=language)
        assert done.stdout.startswith("warn  model"), done.stdout
        assert "→ seacod model fetch paraformer-zh" in done.stdout
        assert words in done.stdout


def test_an_item_that_is_none(live: Service) -> None:
    done = typed.seacod("check", "nothing", LANG="C")
    assert done.returncode == 1
    assert done.stderr.startswith("seacod: nothing: there is no such item; there are: config")


def test_shared_jobs_whose_database_is_away(quick: StandIn, tmp_path: Path) -> None:
    config = tmp_path / "seacod.yaml"
    settings = json.loads(quick.config.read_text())
    password = tmp_path / "password"
    password.write_text("secret")
    password.chmod(0o600)
    settings["results"] = {
        "database": f"postgresql://seacod@127.0.0.1:{free_port()}/jobs",
        "database_password_file": str(password),
    }
    config.write_text(json.dumps(settings))
    code, items = check(config, "jobs")
    assert code == 2
    assert "onnection" in items["jobs"]["seen"]
    assert "database-password" in items["jobs"]["mend"]
    settings["results"]["database"] = "postgresql://seacod:secret@127.0.0.1/jobs"
    config.write_text(json.dumps(settings))
    _, items = check(config, "configuration")
    assert "must not hold the password" in items["configuration"]["seen"]


def test_no_service_answers(tmp_path: Path) -> None:
    one = Service(tmp_path / "none")
    (one.directory / "state/uploads").mkdir(parents=True)
    code, items = check(one.config, XDG_RUNTIME_DIR=str(tmp_path))
    assert code == 2
    assert "no seacod service answers" in items["service"]["seen"]
    assert items["recognition"]["seen"] == "not looked at: no service answers"
    # What can be seen without one is.
    assert items["model"]["status"] == "warn"
    assert "free" in items["disk"]["seen"]


def test_a_configuration_that_cannot_be_read(tmp_path: Path) -> None:
    wrong = tmp_path / "seacod.yaml"
    wrong.write_text("server:\n  prot: 1\n")
    code, items = check(wrong, "configuration")
    assert code == 2
    assert "seacod.yaml:2: server.prot: unknown key; did you mean" in items["configuration"]["seen"]


def test_a_damaged_model_and_one_without_hashes(tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(BUILTIN, copy)
    one = Service(tmp_path / "service")
    one.configure(asr={"model": str(copy)})
    assert check(one.config, "model")[1]["model"]["status"] == "ok"
    with (copy / "model.pt").open("r+b") as file:
        file.seek(1000)
        file.write(b"x")
    code, items = check(one.config, "model")
    assert code == 2
    assert f"{copy}/model.pt: is not what it was" in items["model"]["seen"]
    (copy / "tokens.json").unlink()
    assert "tokens.json: No such file" in check(one.config, "model")[1]["model"]["seen"]
    (copy / manifest.NAME).unlink()
    code, items = check(one.config, "model")
    assert (code, items["model"]["status"]) == (1, "warn")
    (copy / "model.pt").unlink()
    code, items = check(one.config, "model")
    assert code == 2
    assert "is not a model: model.pt is missing" in items["model"]["seen"]


def test_the_built_in_models_hashes_are_true() -> None:
    assert list(manifest.damaged(BUILTIN, manifest.listed(BUILTIN))) == []
    assert set(manifest.listed(BUILTIN)) == {
        str(path.relative_to(BUILTIN))
        for path in BUILTIN.rglob("*")
        if path.is_file() and path.name != manifest.NAME
    }


def test_a_port_that_is_open_wider_than_configured(tmp_path: Path) -> None:
    one = StandIn(tmp_path / "wide")
    one.configure(server={"host": "0.0.0.0"})
    with one.running():
        code, items = check(one.config, "ports")
        assert code == 1
        assert f"everybody who reaches port {one.port}" in items["ports"]["seen"]
        # Changed, and not restarted.
        one.configure(server={"host": "127.0.0.1"})
        code, items = check(one.config, "ports")
        assert code == 2
        assert f"0.0.0.0:{one.port}, which is not configured" in items["ports"]["seen"]
        one.configure(server={"host": "0.0.0.0"}, metrics={"port": one.metrics_port})
        with socket.socket() as stranger:
            # Somebody else's port is not ours.
            stranger.bind(("0.0.0.0", 0))
            stranger.listen()
            assert check(one.config, "ports")[0] == 1


def test_every_address_that_listens_is_shown_and_asked(tmp_path: Path) -> None:
    """Several, of both families, wildcards, and a unix socket; one that is deaf is named."""
    one, path = StandIn(tmp_path / "several"), tmp_path / "http.sock"
    four, six, both = free_port(), free_port(), free_port()
    one.configure(
        server={"listen": f"127.0.0.1:{one.port} [::1]:{six} 0.0.0.0:{four} [::]:{both} {path}"}
    )
    with one.running():
        _, items = check(one.config, "address", "ports")
        assert items["address"]["status"] == "ok", items
        for url in (
            one.url, f"http://[::1]:{six}", f"http://127.0.0.1:{four}", f"http://127.0.0.1:{both}",
            f"unix:{path}",
        ):  # fmt: skip
            for words in ("seen", "seen_zh"):
                assert url in items["address"][words]
        # Those that are open to others are named by their ports.
        assert (
            f"everybody who reaches port {' '.join(map(str, sorted((four, both))))} may use it"
            in (items["ports"]["seen"])
        )


def test_files_others_may_read_or_change(quick: StandIn) -> None:
    assert check(quick.config, "permissions")[0] == 0
    secret = quick.directory / "url"
    secret.write_text("http://127.0.0.1:1/")
    for path, mode, words, status in (
        (quick.config, 0o666, "others may change it", "fail"),
        (quick.directory / "state", 0o755, "everybody may read it", "warn"),
        (secret, 0o644, "holds a secret", "fail"),
    ):
        quick.configure(alerts={"webhook_url_file": str(secret)} if path == secret else {})
        before = path.stat().st_mode & 0o777
        path.chmod(mode)
        _, items = check(quick.config, "permissions")
        assert items["permissions"]["status"] == status
        assert words in items["permissions"]["seen"]
        assert str(path) in items["permissions"]["mend"]
        path.chmod(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a directory to somebody else")
def test_a_directory_of_somebody_else(quick: StandIn) -> None:
    state = quick.directory / "state"
    os.chown(state, 12345, -1)
    _, items = check(quick.config, "permissions")
    os.chown(state, 0, -1)
    assert items["permissions"]["status"] == "fail"
    assert f"{state}: belongs to another user" in items["permissions"]["seen"]


def test_a_disk_that_runs_full_and_a_log_nobody_rotates(quick: StandIn) -> None:
    log = quick.directory / "logs/seacod.log"
    quick.configure(storage={"free_refuse_bytes": 1 << 40}, log={"file": str(log)})
    _, items = check(quick.config, "disk", "logs")
    free = shutil.disk_usage(quick.directory).free
    assert items["disk"]["status"] == ("fail" if free < 1 << 40 else "ok")
    assert f"mkdir -p {log.parent}" in items["logs"]["mend"]
    log.parent.mkdir()
    _, items = check(quick.config, "logs")
    assert items["logs"]["status"] == "warn"
    assert f"{log}: nothing rotates it" in items["logs"]["seen"]
    quick.configure()


def test_the_way_to_the_operator(
    quick: StandIn, robot: Robot, tmp_path: Path
) -> None:  # fmt: skip
    pem = certificate(tmp_path, "localhost")
    server = MailServer(pem, with_login=False)
    server.start()
    alerts = {
        "mail_server": "localhost", "mail_port": server.port, "mail_ca_file": str(pem),
        "mail_from": "a@example.org", "mail_to": "b@example.org",
    }  # fmt: skip
    quick.configure(alerts=alerts)
    try:
        code, items = check(quick.config, "mail")
        assert (code, server.mails) == (0, [])
        assert "takes connections" in items["mail"]["seen"]
        code, items = check(quick.config, "mail", "--send")
        assert (code, len(server.mails)) == (0, 1)
        server.refuse_with = "550 5.1.1 no such user"
        code, items = check(quick.config, "mail", "--send")
        assert code == 2
        assert "550 5.1.1 no such user" in items["mail"]["seen"]
    finally:
        server.stop()
    code, items = check(quick.config, "mail")
    assert code == 2
    assert "seacod test-alert" in items["mail"]["mend"]
    quick.configure()


def test_nobody_scrapes(tmp_path: Path) -> None:
    one = StandIn(tmp_path / "metrics")
    with one.running():
        code, items = check(one.config, "metrics")
        assert (code, items["metrics"]["status"]) == (1, "warn")
        assert "nobody has read them" in items["metrics"]["seen"]
        # Its own look is no scrape.
        assert check(one.config, "metrics")[0] == 1
        fetch(one.metrics_url, User_Agent="Prometheus/2.42.0")
        assert check(one.config, "metrics")[0] == 0


def test_a_worker_that_does_not_come_up(tmp_path: Path) -> None:
    one = StandIn(tmp_path / "down")
    with one.running():
        one.plan(never_ready=True)
        os.kill(one.worker_pid(), 9)
        one.wait_for_state("starting")
        code, items = check(one.config, "service", "recognition")
        assert (code, items["service"]["status"]) == (1, "warn")
        assert items["service"]["seen"].startswith("starting for")
        assert "journalctl -u seacod" in items["service"]["mend"]
        assert items["recognition"]["seen"] == "not looked at: no worker serves"


def test_words_of_the_server_that_cannot_be_read_are_told(live: Service, tmp_path: Path) -> None:
    before, words = live.config.read_text(), tmp_path / "words.txt"
    given = json.loads(before)
    given["asr"]["hotwords_file"] = str(words)

    def reload(text: str) -> None:
        count = len(live.events("settings_applied"))
        live.config.write_text(text)
        live.signal(signal.SIGHUP)
        wait_until(lambda: len(live.events("settings_applied")) > count, "the settings")

    def found() -> dict[str, Any]:
        return check(live.config, "hotword_lists")[1]["hotword_lists"]

    assert found()["status"] == "ok"
    reload(json.dumps(given))
    try:
        wait_until(lambda: json.loads(live.get("/health")[2])["warnings"], "a warning")
        assert found()["status"] == "warn"
        assert str(words) in found()["seen"]
        assert "No such file" in found()["seen"]
        words.write_text("海鸟")
        wait_until(lambda: not json.loads(live.get("/health")[2])["warnings"], "no warning")
        assert found()["status"] == "ok"
        words.write_bytes(bytes(range(256)) * 20)
        wait_until(lambda: json.loads(live.get("/health")[2])["warnings"], "a warning")
        assert found()["status"] == "warn"
        assert "it is not a text file" in found()["seen"]
    finally:
        reload(before)


class Placed(Service):
    """Told where to listen by options, as a trial or a container is, and not by its file."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.elsewhere, self.of_metrics = free_port(), free_port()

    @property
    def command(self) -> list[str]:
        options = ["--try", "--port", str(self.elsewhere), "--metrics-port", str(self.of_metrics)]
        return [*super().command, *options]


def test_a_service_that_was_told_where_to_listen_is_well(tmp_path: Path) -> None:
    one = Placed(tmp_path / "trial")
    with one.running():
        code, items = check(one.config, "ports", "address", "configuration")
        assert code == 0, items
        there = f"127.0.0.1:{one.elsewhere}"
        assert there in items["ports"]["seen"]
        assert "as it was told when it was started" in items["ports"]["seen"]
        assert str(one.config) in items["configuration"]["seen"]


def test_a_variable_of_the_services_alone_says_where_it_listens(tmp_path: Path) -> None:
    one = StandIn(tmp_path / "environment")
    one.environment["SEACOD_METRICS_PORT"] = str(free_port())
    with one.running():
        code, items = check(one.config, "ports")
        assert code == 0, items
        assert "when it was started" in items["ports"]["seen"]
        # What is not so all the same is said, with what helps without systemd.
        one.configure(server={"port": free_port()})
        code, items = check(one.config, "ports")
        assert code == 2
        assert "systemctl" not in items["ports"]["mend"]
