"""What is compared: this service, the plain Gradio app of the articles, FunASR's own server.

Each is a process with the same model on the same device, and knows how to have one recording
transcribed over HTTP and which address tells whether it is well.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from seacod.errors import SeacodError
from seacod.proving.service import free_port, private_service
from seacod.system.processes.interpreter import python

if TYPE_CHECKING:
    import httpx

_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Peer:
    """A running server; `post` runs on the thread of one client, with a connection of its own.

    Args:
        port: where it listens.
        pid: of the process that everything of it is below.
    """

    port: int
    pid: int

    name: ClassVar[str]
    health: ClassVar[str] = "/health"

    def connect(self) -> httpx.Client:
        import httpx

        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", timeout=_PATIENCE_SECONDS, trust_env=False
        )

    def post(self, connection: httpx.Client, recording: bytes) -> str:
        """The text of a recording.

        Raises:
            httpx.HTTPError, LookupError, ValueError: there is none.
        """
        raise NotImplementedError


class Seacod(Peer):
    """(a) This service."""

    name = "seacod"

    def post(self, connection: httpx.Client, recording: bytes) -> str:
        return str(_ask(connection, "/transcribe", files={"file": recording})["text"])


class FunasrServer(Peer):
    """(c) `funasr-server`, which comes with FunASR."""

    name = "funasr-server"

    def post(self, connection: httpx.Client, recording: bytes) -> str:
        form = {"files": {"file": ("a.wav", recording)}, "data": {"model": "custom"}}
        return str(_ask(connection, "/v1/audio/transcriptions", **form)["text"])


class PlainGradio(Peer):
    """(b) A Gradio page around AutoModel.generate, as people write it first."""

    name = "plain Gradio app"
    health = "/config"

    def post(self, connection: httpx.Client, recording: bytes) -> str:
        (path,) = _ask(connection, "/gradio_api/upload", files={"files": ("a.wav", recording)})
        given = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}
        event = _ask(connection, "/gradio_api/call/transcribe", json=given)["event_id"]
        lines = connection.get(f"/gradio_api/call/transcribe/{event}").text.splitlines()
        data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
        return str(json.loads(data[-1])[0])


@contextlib.contextmanager
def seacod(model: str, device: str, *, precision: str | None = None) -> Iterator[Peer]:
    """This service, with its defaults, or with this asr.precision."""
    chosen = {"precision": precision} if precision else {}
    with private_service(
        model,
        asr={"device": device, **chosen},
    ) as service:
        service.wait_until_tuned()
        port = int(service.url.rpartition(":")[2])
        yield Seacod(port, service.process.pid)


@contextlib.contextmanager
def plain_gradio(directory: Path, device: str) -> Iterator[Peer]:
    port = free_port()
    code = _GRADIO.format(model=str(directory), device=device, port=port)
    with _process(python("-c", code), PlainGradio, port) as peer:
        yield peer


@contextlib.contextmanager
def funasr_server(directory: Path, device: str) -> Iterator[Peer]:
    port = free_port()
    command = [
        str(Path(sys.executable).with_name("funasr-server")), "--host", "127.0.0.1", "--port",
        str(port), "--device", device, "--model-path", str(directory),
    ]  # fmt: skip
    with _process(command, FunasrServer, port) as peer:
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
def _process(command: list[str], kind: type[Peer], port: int) -> Iterator[Peer]:
    """Another project's server, until the end of the block.

    Raises:
        SeacodError: it ended, or never answered.
    """
    with tempfile.TemporaryDirectory(prefix="seacod-bench-") as scratch:
        log = Path(scratch) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=output, cwd=scratch)
        peer = kind(port, process.pid)
        try:
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while not _answers(peer):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SeacodError(
                        f"{peer.name} never answered; it said: {log.read_text()[-2000:]}",
                        f"{peer.name} 没有响应，其输出为：{log.read_text()[-2000:]}",
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
    import httpx

    with peer.connect() as connection:
        try:
            return connection.get(peer.health).status_code == 200
        except httpx.TransportError:
            return False


def _ask(connection: httpx.Client, path: str, **content: Any) -> Any:
    answer = connection.post(path, **content)
    if answer.status_code != 200:
        raise ValueError(f"status {answer.status_code}: {answer.text[:200]}")
    return answer.json()
