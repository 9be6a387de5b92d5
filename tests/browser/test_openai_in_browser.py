"""OpenAI's JavaScript client, from npm and unchanged, on a page of another origin."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sounds
from patience import PATIENCE_MILLISECONDS
from playwright.sync_api import Browser
from supervised import PATIENCE_SECONDS, Service

from seacod.system.credentials import hash_key

PACKAGE = Path(__file__).parent / "node_modules/openai"
KEY = "a-key-for-the-test"
ASK = """
async ([url, apiKey]) => {
  const { default: OpenAI } = await import("/openai/index.mjs");
  const client = new OpenAI({
    baseURL: `${url}/v1`, apiKey, dangerouslyAllowBrowser: true, maxRetries: 0,
  });
  const sound = await (await fetch("/speech.flac")).blob();
  const file = new File([sound], "speech.flac");
  const told = {};
  try {
    told.models = (await client.models.list()).data.map((model) => model.id);
    told.whole = await client.audio.transcriptions.create({
      model: "whisper-1", file, response_format: "verbose_json",
      timestamp_granularities: ["word", "segment"],
    });
    told.deltas = [];
    const stream = await client.audio.transcriptions.create({
      model: "whisper-1", file, stream: true,
    });
    for await (const event of stream) {
      if (event.type === "transcript.text.delta") told.deltas.push(event.delta);
      else told.last = event;
    }
    await client.audio.translations.create({ model: "whisper-1", file });
  } catch (error) {
    told.error = { kind: error.constructor.name, status: error.status, code: error.code };
  }
  return told;
}
"""


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The origin of somebody else's page, with the client and a recording beside it."""
    assert PACKAGE.is_dir(), "npm install --prefix tests/browser (tests/run does it)"
    directory = tmp_path_factory.mktemp("elsewhere")
    (directory / "index.html").write_text("<!doctype html><title>Elsewhere</title>")
    (directory / "speech.flac").symlink_to(sounds.SPEECH)
    (directory / "openai").symlink_to(PACKAGE)
    handler = functools.partial(_Quiet, directory=str(directory))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, name="elsewhere")
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, elsewhere: str) -> Iterator[Service]:
    """A service with a key, which lets that page in."""
    service = Service(tmp_path_factory.mktemp("asked"))
    service.configure(access={"api_keys": f"page:{hash_key(KEY)}", "cors_origins": elsewhere})
    with service.running():
        yield service


def ask(browser: Browser, origin: str, service: Service) -> dict[str, Any]:
    context = browser.new_context()
    try:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MILLISECONDS)
        page.goto(origin)
        told: dict[str, Any] = page.evaluate(ASK, [service.url, KEY])
        return told
    finally:
        context.close()


def test_a_page_that_may_gets_everything(browser: Browser, elsewhere: str, asked: Service) -> None:
    told = ask(browser, elsewhere, asked)
    assert told["models"] == ["builtin"]
    assert told["whole"]["text"] == sounds.SPEECH_TEXT
    assert told["whole"]["words"]
    assert told["whole"]["segments"]
    assert "".join(told["deltas"]) == told["last"]["text"] == sounds.SPEECH_TEXT
    assert told["error"] == {"kind": "InternalServerError", "status": 501, "code": "not_supported"}


def test_a_page_that_may_not_gets_nothing_and_is_told_why(
    browser: Browser, elsewhere: str, asked: Service
) -> None:
    # Another name is another origin.
    told = ask(browser, elsewhere.replace("127.0.0.1", "plain.example"), asked)
    assert told == {"error": {"kind": "APIConnectionError", "status": None, "code": None}}
    preflight = {
        "Origin": "http://plain.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-stainless-lang",
    }  # fmt: skip
    with httpx.Client(trust_env=False, timeout=PATIENCE_SECONDS) as client:
        address = f"{asked.url}/v1/audio/transcriptions"
        refused = client.options(address, headers=preflight)
        assert refused.status_code == 403
        assert "access.cors_origins" in refused.json()["error"]["message"]
        allowed = client.options(address, headers={**preflight, "Origin": elsewhere})
        assert allowed.status_code == 200
        assert "x-stainless-lang" in allowed.headers["access-control-allow-headers"]
