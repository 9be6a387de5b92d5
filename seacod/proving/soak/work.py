"""One piece of work, done the way a good client does it: told to come back, it comes back; broken
off, it sends again; and what it gets is compared with what it should be."""

from __future__ import annotations

import contextlib
import io
import json
import time
import zipfile
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from seacod.asr.audio import SAMPLE_RATE
from seacod.errors import SeacodError
from seacod.proving.likeness import alike, bare
from seacod.proving.soak.ledger import SoakLedger, WorkItem, WorkKind, WorkOutcome
from seacod.proving.soak.material import Material
from seacod.proving.soak.timetable import Mix

# Over so long it is lost.
PATIENCE_SECONDS = 600.0
_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
_POLL_SECONDS = 1.0
# In other company a recording may come out with a character changed; a microphone is cut elsewhere.
_ALIKE, _ALIKE_LIVE = 0.97, 0.85
_BLOCK = SAMPLE_RATE // 10


class _TryAgain(Exception):
    """Not now, or broken off."""

    def __init__(self, pause_seconds: float) -> None:
        super().__init__()
        self.pause_seconds = pause_seconds


class _Refused(Exception):
    """For good; its text says why."""


class SoakClient:
    """Does work for people at a service.

    Args:
        url: of the service.
        key: an API key, where it asks for one.
        material: what is sent.
        ledger: where each piece is written down.
    """

    def __init__(self, url: str, key: str | None, material: Material, ledger: SoakLedger) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._material = material
        self._ledger = ledger
        self._right: dict[float, str] = {}
        self.http = httpx.AsyncClient(
            base_url=url, headers=self._headers, timeout=PATIENCE_SECONDS, trust_env=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
        )  # fmt: skip

    async def learn(self, seconds: float) -> None:
        """What a recording of this length says, as the service hears it undisturbed.

        Raises:
            SeacodError: it does not transcribe.
        """
        piece = WorkItem(Mix.REST, WorkKind.RECORDING, time.time())
        try:
            text = await self._persistently(piece, lambda: self._transcribe(seconds))
        except _Refused as refused:
            raise SeacodError(f"the service does not take the recordings: {refused}") from None
        if not bare(text):
            raise SeacodError("the service hears nothing in the recordings; try others")
        self._right[seconds] = text

    # -- pieces of work ---------------------------------------------------------------------------

    async def recording(self, mix: Mix, seconds: float) -> None:
        """One recording, posted."""
        async with _written(
            self._ledger, WorkItem(mix, WorkKind.RECORDING, time.time(), seconds)
        ) as piece:
            text = await self._persistently(piece, lambda: self._transcribe(seconds))
            self._judge(piece, [text], seconds, _ALIKE)

    async def batch(self, mix: Mix, count: int, seconds: float) -> None:
        """A batch: accepted, worked off, fetched."""
        piece = WorkItem(mix, WorkKind.BATCH, time.time(), count * seconds)
        async with _written(self._ledger, piece):
            recordings = [
                ("files", (f"{n}.wav", self._material.recording(seconds))) for n in range(count)
            ]
            accepted = await self._persistently(
                piece, lambda: self._json("POST", "/batch_transcribe", files=recordings)
            )
            job = f"/jobs/{accepted['job']}"
            while True:
                told = await self._persistently(piece, lambda: self._json("GET", job))
                if told["state"] in ("done", "canceled"):
                    break
                await anyio.sleep(_POLL_SECONDS)
            if told["counts"] != {"done": count}:
                raise _Refused(f"job {accepted['job']}: {told['counts']}")
            packed = await self._persistently(piece, lambda: self._get(f"{job}/results"))
            self._judge(piece, _texts(packed.content), seconds, _ALIKE)

    async def microphone(self, mix: Mix, seconds: float) -> None:
        """Somebody who speaks, at the pace people do. Broken off, all of it is said again."""
        piece = WorkItem(mix, WorkKind.MICROPHONE, time.time(), seconds)
        async with _written(self._ledger, piece):
            text = await self._persistently(piece, lambda: self._speak(seconds))
            self._judge(piece, [text], seconds, _ALIKE_LIVE)

    async def look(self, mix: Mix, path: str) -> None:
        """Somebody who looks at the page, or at its system tab."""
        async with _written(self._ledger, WorkItem(mix, WorkKind.PAGE, time.time())) as piece:
            await self._persistently(piece, lambda: self._get(path))
            piece.outcome = WorkOutcome.RIGHT

    # -- one try ----------------------------------------------------------------------------------

    async def _transcribe(self, seconds: float) -> str:
        files = {"file": ("soak.wav", self._material.recording(seconds))}
        return str((await self._json("POST", "/transcribe", files=files))["text"])

    async def _json(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        answer = _good(await self.http.request(method, path, **content))
        body: dict[str, Any] = answer.json()
        return body

    async def _get(self, path: str) -> httpx.Response:
        return _good(await self.http.get(path, headers={"Accept": "*/*"}))

    async def _speak(self, seconds: float) -> str:
        sound = (self._material.samples(seconds) * 32767).astype("<i2")
        url = self._url.replace("http", "ws", 1) + "/live"
        said, failure = "", None
        async with connect(
            url, proxy=None, additional_headers=self._headers, max_size=None
        ) as socket:
            await socket.send(json.dumps({"type": "start", "sample_rate": SAMPLE_RATE}))
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_send, socket, sound)
                # Kept out of the group, which would wrap it.
                try:
                    said = await _heard(socket)
                except (_TryAgain, _Refused, WebSocketException, OSError) as error:
                    failure = error
                tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        return said

    async def _persistently(self, piece: WorkItem, one_try: Callable[[], Awaitable[Any]]) -> Any:
        """The first answer that is one.

        Raises:
            _Refused: there will be none.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                return await one_try()
            except _TryAgain as later:
                pause = later.pause_seconds
                piece.turned_away += 1
            except (httpx.ConnectError, ConnectionRefusedError):
                pause = _PAUSE_SECONDS
                piece.refused += 1
            except (httpx.TransportError, WebSocketException, OSError, EOFError):
                pause = _PAUSE_SECONDS
                piece.interrupted += 1
            except (ValueError, KeyError, zipfile.BadZipFile) as error:
                raise _Refused(f"no answer of seacod's: {type(error).__name__} {error}") from None
            if time.monotonic() + pause > deadline:
                raise _Refused(f"no answer in {PATIENCE_SECONDS:g} s")
            await anyio.sleep(pause)

    def _judge(self, piece: WorkItem, texts: list[str], seconds: float, least: float) -> None:
        wanted = self._right[seconds]
        for text in texts:
            share = alike(text, wanted)
            if share < least:
                piece.outcome = WorkOutcome.WRONG
                piece.remark = f"{share:.0%} alike: {text[:80]}"
                return
        piece.outcome = WorkOutcome.RIGHT


class _written:
    """Writes a piece down when it is over, however that comes."""

    def __init__(self, ledger: SoakLedger, piece: WorkItem) -> None:
        self._ledger = ledger
        self._piece = piece

    async def __aenter__(self) -> WorkItem:
        return self._piece

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        self._piece.ended = time.time()
        if isinstance(error, _Refused):
            self._piece.remark = str(error)
        elif error is not None:
            # The run is over for everybody; what was under way is no loss.
            return False
        self._ledger.pieces.append(self._piece)
        return True


async def _send(socket: ClientConnection, sound: Any) -> None:
    began = time.monotonic()
    # Whoever listens sees that it broke off.
    with contextlib.suppress(WebSocketException, OSError):
        for at in range(0, len(sound), _BLOCK):
            block = sound[at : at + _BLOCK]
            # A block is there when its last sample was spoken.
            ready = began + (at + len(block)) / SAMPLE_RATE
            await anyio.sleep(max(0.0, ready - time.monotonic()))
            await socket.send(block.tobytes())
        await socket.send(json.dumps({"type": "stop"}))


async def _heard(socket: ClientConnection) -> str:
    """What was said, when all of it has been."""
    async for message in socket:
        told = json.loads(message)
        if told["type"] == "error":
            raise _failed(told["error"])
        if told["type"] == "done":
            return str(told["text"])
    raise _TryAgain(_PAUSE_SECONDS)


def _good(answer: httpx.Response) -> httpx.Response:
    if answer.status_code == 503:
        pause = answer.headers.get("retry-after", "")
        raise _TryAgain(min(_LONGEST_PAUSE_SECONDS, float(pause) if pause.isdigit() else 1.0))
    if answer.status_code >= 400:
        raise _Refused(f"{answer.status_code}: {answer.text[:200]}")
    return answer


def _failed(error: dict[str, Any]) -> Exception:
    if error.get("status") == 503:
        pause = float(error.get("retry_after_seconds") or 1.0)
        return _TryAgain(min(_LONGEST_PAUSE_SECONDS, pause))
    return _Refused(str(error.get("message")))


def _texts(packed: bytes) -> list[str]:
    """The texts in a zip of results."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        rows = json.loads(archive.read("summary.json"))
        return [str(json.loads(archive.read(row["result"]))["text"]) for row in rows]
