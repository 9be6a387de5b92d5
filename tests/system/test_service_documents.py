"""Every command of every document is run: here, on an installed service, or by the test that
tests/documented.py names."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from documented import Block, blocks, elsewhere
from machine import Machine
from operating import edited, is_serving
from receivers import MailServer, certificate
from supervised import wait_until

pytestmark = pytest.mark.timeout(600)

HERE = [
    Block(one.document, one.language, "\n".join(mine))
    for one in blocks("sh")
    if (mine := [c for c in one.commands if elsewhere(c, one.document) is None])
]
# Commands whose exit code says more than whether they worked, and which codes are fine.
MAY_SAY = {r"seacod check": "1", r"journalctl .* -g ": "1"}
# Nodes that documents name, and where there is one here.
NODES = {"10.0.0.11": "127.0.0.1", "10.0.0.12": "localhost"}
MAIL = (
    "alerts:\n  language: en\n  gather_seconds: 0\n  mail_server: 127.0.0.1\n"
    "  mail_port: {port}\n  mail_security: none\n"
    "  mail_from: seacod@gpu-box.test\n  mail_to: root@gpu-box.test\n"
)


@pytest.fixture(scope="module")
def handed_over(service: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Installed, with a mail server, in a checkout with two recordings."""
    kept = (service.root / "etc/seacod/seacod.yaml").read_text("utf-8")
    # The container has this machine's network, so the mail server may be here.
    server = MailServer(certificate(tmp_path_factory.mktemp("mail"), "localhost"),
                        with_login=False, with_tls=False)  # fmt: skip
    server.start()
    mail = MAIL.format(port=server.port)
    edited(service, lambda text: re.sub(r"^alerts:\n", mail, text, flags=re.MULTILINE))
    service.run("systemctl", "reload", "seacod")
    example = "/srv/seacod/seacod/models/builtin/examples/sentence-1.flac"
    for name in ("recording.wav", "another.wav"):
        service.run("cp", example, f"/srv/seacod/{name}")
    service.write("/srv/seacod/password.txt", "a password")
    yield service
    server.stop()
    # What the operator has set up besides is the operator's to remove.
    service.run("systemctl", "stop", "haproxy", check=False)
    for path in (
        "/etc/haproxy/haproxy.cfg",
        "/etc/credstore/seacod.smtp-password",
        "/etc/nginx/sites-enabled/seacod.conf",
        "/etc/prometheus/seacod-nodes.yml",
    ):
        service.run("rm", "-f", path)
    (service.root / "etc/seacod/seacod.yaml").write_text(kept, "utf-8")
    service.run("systemctl", "reload", "seacod")


def runnable(command: str) -> str:
    for pattern, code in MAY_SAY.items():
        if re.match(pattern, command):
            return f"{{ {command}; }} || [ $? -eq {code} ]"
    for named, here in NODES.items():
        command = command.replace(named, here)
    # A drill is over when its worker serves; the next needs that, too.
    return command.replace("sudo ", "")


@pytest.mark.parametrize(
    "block", HERE, ids=lambda one: f"{one.document.stem}: {one.text.splitlines()[0][:40]}"
)
def test_a_documented_command(handed_over: Machine, block: Block) -> None:
    wait_until(is_serving, "a service that serves")
    script = "cd /srv/seacod\n" + "\n".join(map(runnable, block.commands))
    done = handed_over.run("bash", "-e", "-o", "pipefail", "-c", script, check=False)
    assert done.returncode == 0, (script, done.stdout[-2000:], done.stderr[-2000:])
    assert "Traceback" not in done.stderr
