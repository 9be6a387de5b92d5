"""One recording to a running service, with its progress; waits where the service asks to wait."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from seacod.errors import BadRequest, NotRunning, SeacodError

# Nothing at all for so long: the service says something every 15 s.
_SILENT_SECONDS = 60.0
_CONNECT_SECONDS = 10.0
# A full queue, a worker that is being replaced: so long in all, for one recording.
_PATIENCE_SECONDS = 900.0
_PAUSE_SECONDS = 2.0
# How often a recording that breaks off in the middle is sent again.
_TRIES = 3


class Refused(SeacodError):
    """The service has said why there is no text."""


class Service:
    """A running service, over HTTP.

    Args:
        url: of page and API.
        key: an API key, where it asks for one.

    Raises:
        BadRequest: the address is none.
    """

    def __init__(self, url: str, key: str | None) -> None:
        if not url.startswith(("http://", "https://")):
            raise BadRequest(
                f"--url {url}: is no address; it begins with http:// or https://",
                f"--url {url}：地址应以 http:// 或 https:// 开头",
            )
        self._url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        timeout = httpx.Timeout(_SILENT_SECONDS, connect=_CONNECT_SECONDS)
        # A proxy of the environment is none for a service of one's own.
        self._http = httpx.Client(headers=headers, timeout=timeout, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def transcribe(
        self, recording: Path, hotwords: str, wanted: str, tell: Callable[[float], None]
    ) -> str:
        """The text in the format wanted.

        Args:
            recording: is sent.
            hotwords: words separated by blanks or commas.
            wanted: name of any format.
            tell: called with how much has been heard, 0 to 1.

        Raises:
            Refused: there will be none, and why.
            NotRunning: nothing answers.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        broken = 0
        while True:
            try:
                return self._once(recording, hotwords, wanted, tell)
            except _ComeBack as busy:
                pause = busy.seconds
                if time.monotonic() + pause > deadline:
                    raise Refused(busy.message, busy.chinese) from None
            except httpx.ConnectError:
                raise NotRunning(
                    f"no seacod answers at {self._url}; start it, name another with --url, or use "
                    "--local",
                    f"{self._url} 没有响应；请启动服务、用 --url 指定地址，或使用 --local",
                ) from None
            except httpx.TransportError as error:
                broken += 1
                if broken == _TRIES:
                    raise Refused(f"the connection broke off {broken} times ({error})") from None
                pause = _PAUSE_SECONDS
            time.sleep(pause)

    def _once(
        self, recording: Path, hotwords: str, wanted: str, tell: Callable[[float], None]
    ) -> str:
        with recording.open("rb") as file:
            request = self._http.stream(
                "POST",
                f"{self._url}/transcribe?stream=true&format={wanted}",
                data={"hotwords": hotwords},
                files={"file": (recording.name, file)},
            )
            with request as answer:
                if answer.status_code != 200:
                    answer.read()
                    raise _refusal(answer.status_code, _json(answer.text))
                for event, data in _events(answer.iter_lines()):
                    if event == "progress":
                        tell(float(data.get("share") or 0.0))
                    elif event == "error":
                        raise _refusal(int(data["error"]["status"]), data)
                    elif event == "done":
                        return _text(data)
        raise httpx.RemoteProtocolError("the answer ended in the middle")


class _ComeBack(Refused):
    """Not now."""

    def __init__(self, message: str, chinese: str, seconds: float) -> None:
        super().__init__(message, chinese)
        self.seconds = seconds


def _refusal(status: int, body: dict[str, Any]) -> Refused:
    error = body.get("error") or {}
    message = str(error.get("message") or f"the service answered {status}")
    chinese = str(error.get("message_zh") or message)
    if status == 503:
        return _ComeBack(message, chinese, float(error.get("retry_after_seconds") or 5))
    return Refused(message, chinese)


def _events(lines: Iterator[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, _json(line.removeprefix("data: "))


def _json(text: str) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _text(done: dict[str, Any]) -> str:
    """Text formats come in a field, JSON ones are the answer itself."""
    done.pop("request_id", None)
    if set(done) == {"body"}:
        return str(done["body"])
    return json.dumps(done, ensure_ascii=False, indent=1) + "\n"
