"""What is compared: this service, the plain Gradio app of the articles, FunASR's own server.

Each is a process with the same model on the same device, and knows how to have one recording
transcribed over HTTP and which address tells whether it is well.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from seacod.errors import SeacodError
from seacod.proving.service import free_port, private_service
from seacod.system.interpreter import python

_PATIENCE_SECONDS = 600.0
_BOUNDARY = "seacod-bench"


@dataclass(frozen=True, slots=True)
class Peer:
    """A running server; `post` runs on the thread of one client, with a connection of its own."""

    port: int

    name: ClassVar[str]
    health: ClassVar[str] = "/health"

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_SECONDS)

    def post(self, connection: http.client.HTTPConnection, recording: bytes) -> str:
        """The text of a recording.

        Raises:
            OSError, http.client.HTTPException, ValueError: there is none.
        """
        raise NotImplementedError


class Seacod(Peer):
    """(a) This service."""

    name = "seacod"

    def post(self, connection: http.client.HTTPConnection, recording: bytes) -> str:
        return str(_ask(connection, "/transcribe", _form("file", recording))["text"])


class FunasrServer(Peer):
    """(c) `funasr-server`, which comes with FunASR."""

    name = "funasr-server"

    def post(self, connection: http.client.HTTPConnection, recording: bytes) -> str:
        body = _form("file", recording, model="custom")
        return str(_ask(connection, "/v1/audio/transcriptions", body)["text"])


class PlainGradio(Peer):
    """(b) A Gradio page around AutoModel.generate, as people write it first."""

    name = "plain Gradio app"
    health = "/config"

    def post(self, connection: http.client.HTTPConnection, recording: bytes) -> str:
        (path,) = _ask(connection, "/gradio_api/upload", _form("files", recording))
        given = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}
        connection.request(
            "POST", "/gradio_api/call/transcribe", json.dumps(given),
            {"Content-Type": "application/json"},
        )  # fmt: skip
        event = json.loads(connection.getresponse().read())["event_id"]
        connection.request("GET", f"/gradio_api/call/transcribe/{event}")
        lines = connection.getresponse().read().decode().splitlines()
        data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        return str(json.loads(data[-1])[0])


@contextlib.contextmanager
def seacod(model: str, device: str) -> Iterator[Peer]:
    """Ours, with its defaults."""
    with private_service(
        model,
        asr={"device": device},
        supervisor={"spare": "off"},
    ) as service:
        yield Seacod(int(service.url.rpartition(":")[2]))


@contextlib.contextmanager
def plain_gradio(directory: Path, device: str) -> Iterator[Peer]:
    port = free_port()
    code = _GRADIO.format(model=str(directory), device=device, port=port)
    with _process(python("-c", code), PlainGradio(port)) as peer:
        yield peer


@contextlib.contextmanager
def funasr_server(directory: Path, device: str) -> Iterator[Peer]:
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("funasr-server")), "--host", "127.0.0.1", "--port",
        str(port), "--device", device, "--model-path", str(directory),
    ]  # fmt: skip
    with _process(command, FunasrServer(port)) as peer:
        yield peer


# Without our admission, batching and processes: what an afternoon gives.
_GRADIO = """
import gradio, funasr
model = funasr.AutoModel(model={model!r}, vad_model="silero-vad", device={device!r},
                         disable_update=True, disable_pbar=True)
def transcribe(path):
    result = model.generate(input=path, batch_size_s=300)
    return result[0]["text"] if result else ""
page = gradio.Interface(transcribe, gradio.Audio(type="filepath"), "text", api_name="transcribe",
                        analytics_enabled=False)
page.queue(max_size=20).launch(server_name="127.0.0.1", server_port={port}, quiet=True)
"""


@contextlib.contextmanager
def _process(command: list[str], peer: Peer) -> Iterator[Peer]:
    """A server of somebody else's, until the end of the block.

    Raises:
        SeacodError: it ended, or never answered.
    """
    with tempfile.TemporaryDirectory(prefix="seacod-bench-") as scratch:
        log = Path(scratch) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, cwd=scratch)
        try:
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while not _answers(peer):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SeacodError(
                        f"{peer.name} never answered; it said: {log.read_text()[-2000:]}"
                    )
                time.sleep(0.2)
            yield peer
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _answers(peer: Peer) -> bool:
    connection = peer.connect()
    try:
        connection.request("GET", peer.health)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _form(field: str, recording: bytes, **fields: str) -> bytes:
    part = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{{}}"\r\n\r\n{{}}\r\n'
    parts = [part.format(name, value).encode() for name, value in fields.items()]
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{field}"; filename="a.wav"\r\n'
        "Content-Type: audio/wav\r\n\r\n"
    )
    return b"".join([*parts, head.encode(), recording, f"\r\n--{_BOUNDARY}--\r\n".encode()])


def _ask(connection: http.client.HTTPConnection, path: str, body: bytes) -> dict[str, object]:
    kind = f"multipart/form-data; boundary={_BOUNDARY}"
    connection.request("POST", path, body, {"Content-Type": kind})
    answer = connection.getresponse()
    content = answer.read()
    if answer.status != 200:
        raise ValueError(f"status {answer.status}: {content[:200]!r}")
    parsed: dict[str, object] = json.loads(content)
    return parsed
