"""Log rotation while lines are written, and mail through a real Postfix, under a real systemd."""

from __future__ import annotations

import collections
import json
import re
import threading
import urllib.error
import urllib.request
import uuid

import pytest
from drills import CLIENTS
from machine import Machine
from operating import URL, edited, is_serving, service_state
from supervised import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.timeout(900)
LOG = "/var/log/seacod/seacod.log"
ROTATIONS = 8


def refused_upload(request_id: str) -> None:
    """A request that is refused quickly and leaves one line with its id."""
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\nnot audio'
        b"\r\n--b--\r\n"
    )
    request = urllib.request.Request(
        f"{URL}/transcribe", data=body,
        headers={"Content-Type": "multipart/form-data; boundary=b", "X-Request-ID": request_id},
    )  # fmt: skip
    try:
        urllib.request.urlopen(request, timeout=PATIENCE_SECONDS)
    except urllib.error.HTTPError as error:
        assert error.code == 415


def test_no_line_is_lost_or_doubled_while_logrotate_rotates(service: Machine) -> None:
    if f"file: {LOG}" not in (service.root / "etc/seacod/seacod.yaml").read_text("utf-8"):
        edited(service, lambda text: text.replace("  #file:", f"  file: {LOG}\n  #file:"))
    service.run("systemctl", "restart", "seacod")
    # All that is to be found must be young enough not to be rotated away: seven are kept.
    service.run("sh", "-c", f"rm -f {LOG}.*")
    sent: list[str] = []
    over = threading.Event()

    def client() -> None:
        while not over.is_set():
            request_id = uuid.uuid4().hex
            refused_upload(request_id)
            sent.append(request_id)

    clients = [threading.Thread(target=client, name=f"client-{n}") for n in range(CLIENTS)]
    for one in clients:
        one.start()
    try:
        for rotation in range(1, 7):
            before = len(sent)
            service.run("logrotate", "--force", "/etc/logrotate.d/seacod")
            wait_until(lambda start=before: len(sent) >= start + 40, f"lines after {rotation}")
    finally:
        over.set()
        for one in clients:
            one.join()
    files = service.run("sh", "-c", f"ls {LOG}*").stdout.split()
    assert len(files) == 7
    assert sum(name.endswith(".gz") for name in files) == 5
    lines = service.run("sh", "-c", f"zcat -f {LOG}*").stdout.splitlines()
    seen = collections.Counter(
        event["request_id"]
        for event in map(json.loads, lines)
        if event["event"] == "not_transcribed"
    )
    assert len(sent) > 200
    assert [request_id for request_id in sent if seen[request_id] != 1] == []


def test_seven_are_kept(service: Machine) -> None:
    for _ in range(ROTATIONS):
        refused_upload(uuid.uuid4().hex)
        service.run("logrotate", "--force", "/etc/logrotate.d/seacod")
    rotated = service.run("sh", "-c", f"ls {LOG}.*").stdout.split()
    assert len(rotated) == 7
    assert service.run("stat", "-c", "%U %a", LOG).stdout.split() == ["seacod", "640"]


def test_the_journal_has_the_request_and_the_worker_of_each_line(service: Machine) -> None:
    request_id = uuid.uuid4().hex
    refused_upload(request_id)
    entry = wait_until(
        lambda: service.run(
            "journalctl", "-o", "json", f"SEACOD_REQUEST_ID={request_id}", "--no-pager"
        ).stdout.strip(),
        "the line in the journal",
    )
    fields = json.loads(entry.splitlines()[0])
    assert fields["SEACOD_EVENT"] == "not_transcribed"
    assert int(fields["_PID"]) == service_state(service)["worker"]["pid"]
    # A client's mistake is no error of ours.
    assert int(fields["PRIORITY"]) > 3


def test_a_crash_is_mailed_through_postfix(service: Machine) -> None:
    service.run(
        "sh", "-c",
        "export DEBIAN_FRONTEND=noninteractive;"
        " echo 'postfix postfix/main_mailer_type select Local only' | debconf-set-selections;"
        " echo 'postfix postfix/mailname string gpu-box.test' | debconf-set-selections;"
        " apt-get install -y -qq --no-install-recommends postfix >/dev/null 2>&1"
        " || { apt-get update -qq; apt-get install -y -qq --no-install-recommends postfix; }",
        timeout=600,
    )  # fmt: skip
    # A port of its own, so that nothing else of this machine is met.
    service.run("postconf", "-e", "mydestination=gpu-box.test, localhost",
                "inet_interfaces=127.0.0.1", "myhostname=gpu-box.test",
                "default_transport=error:local only")  # fmt: skip
    service.run("sed", "-i", "s/^smtp      inet/2525      inet/", "/etc/postfix/master.cf")
    service.run("useradd", "-m", "oncall")
    service.run("systemctl", "restart", "postfix")
    settings = (
        # No cool-down: a test before this one may have killed a worker, too.
        "alerts:\n  language: en\n  gather_seconds: 0\n  cool_down_seconds: 0\n"
        "  mail_server: 127.0.0.1\n  mail_port: 2525\n  mail_security: none\n"
        "  mail_from: seacod@gpu-box.test\n  mail_to: oncall@gpu-box.test\n"
    )
    edited(service, lambda text: re.sub(r"^alerts:\n", settings, text, flags=re.M))
    service.run("seacod", "config", "check")
    service.run("systemctl", "reload", "seacod")
    told = service.run("seacod", "test-alert", "--mail").stdout
    assert "mail: taken: " in told
    assert "queued as" in told
    worker = service_state(service)["worker"]["pid"]
    service.run("kill", "-SEGV", str(worker))

    def mailbox() -> str:
        return service.run("cat", "/var/mail/oncall", check=False).stdout

    wait_until(lambda: "signal SIGSEGV" in mailbox(), "the mail about the crash")
    wait_until(lambda: "recovered:" in mailbox(), "the mail that it is over")
    assert "Content-Type: image/png" in mailbox()
    assert "delivered" in service.run("seacod", "alerts").stdout
    assert f"pid {worker}: signal SIGSEGV" in service.run("seacod", "crashes").stdout
    wait_until(is_serving, "the service")
