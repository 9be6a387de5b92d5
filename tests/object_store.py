"""moto's S3, a server that holds requests against IAM as Amazon's does. In an environment of its
own: its requirements do not go with ours."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from supervised import PATIENCE_SECONDS, ROOT, free_port, wait_until

_ENVIRONMENT = ROOT / ".venv-moto"
_REQUIREMENTS = ("moto[s3]==5.2.5", "flask==3.1.3", "flask-cors==6.0.2")


def _python() -> Path:
    """The Python of the environment, which is made where it is missing."""
    python, stamp = _ENVIRONMENT / "bin/python", _ENVIRONMENT / ".requirements"
    wanted = "\n".join(_REQUIREMENTS)
    if not stamp.exists() or stamp.read_text() != wanted:
        _run(sys.executable, "-m", "venv", "--clear", _ENVIRONMENT)
        _run(python, "-m", "pip", "install", "-q", "--no-compile", *_REQUIREMENTS)
        stamp.write_text(wanted)
    return python


def _run(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class ObjectStore:
    """A running server. `access` is that of a user who may do everything in S3, `reader` of one who
    may only read."""

    def __init__(self, log: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._log = log.open("wb")
        self._server = subprocess.Popen(
            [_python(), "-m", "moto.server", "-H", "127.0.0.1", "-p", self.url.rpartition(":")[2]],
            stdout=self._log, stderr=subprocess.STDOUT,
        )  # fmt: skip
        wait_until(self._answers, lambda: f"moto: {log.read_text()}")
        self.access = self._user("archive", "s3:*")
        self.reader = self._user("reader", "s3:Get*", "s3:List*")

    def make_bucket(self, name: str) -> None:
        self._ask("PUT", f"/{name}", b"")

    def hold_to_account(self) -> None:
        """From now on every request has to be signed by somebody who may do what it asks."""
        self._ask("POST", "/moto-api/reset-auth", b"0", **{"Content-Type": "text/plain"})

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Who asks meanwhile is answered by nobody."""
        self._server.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._server.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._server.kill()
        self._server.wait()
        self._log.close()

    def _user(self, name: str, *allowed: str) -> dict[str, str]:
        statement = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self._iam("CreateUser", UserName=name)
        made = self._iam("CreateAccessKey", UserName=name)
        self._iam("PutUserPolicy", UserName=name, PolicyName="all", PolicyDocument=policy)
        return {
            "AWS_ACCESS_KEY_ID": _element(made, "AccessKeyId"),
            "AWS_SECRET_ACCESS_KEY": _element(made, "SecretAccessKey"),
            "AWS_ENDPOINT_URL": self.url,
        }

    def _answers(self) -> bool:
        try:
            self._ask("GET", "/moto-api/", None)
        except OSError:
            return False
        return True

    def _iam(self, action: str, **fields: str) -> str:
        form = {"Action": action, "Version": "2010-05-08", **fields}
        body = urllib.parse.urlencode(form).encode()
        # The scope of the signature tells moto which service is meant.
        scope = "Credential=nobody/20260101/us-east-1/iam/aws4_request"
        signature = f"AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none"
        return self._ask("POST", "/", body, Authorization=signature)

    def _ask(self, method: str, path: str, body: bytes | None, **headers: str) -> str:
        request = urllib.request.Request(self.url + path, body, headers, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=PATIENCE_SECONDS) as answer:
            return str(answer.read().decode())


def _element(xml: str, name: str) -> str:
    found = re.search(f"<{name}>(.*?)</{name}>", xml)
    assert found is not None, xml
    return found[1]
