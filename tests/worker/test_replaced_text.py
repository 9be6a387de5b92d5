"""Rules of `asr.replacements_file` in a running service: in every answer, changed while it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import sounds
from patience import connect
from supervised import PATIENCE_SECONDS, Service, wait_until

from seacod.asr import audio
from seacod.client import Client
from seacod.transcript import ReplacementReport


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rules") / "rules.txt"
    file.write_text("今天 => 今日\nno rule\n~田七\n")
    return file


@pytest.fixture(scope="module")
def service(rules: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    one = Service(tmp_path_factory.mktemp("service"))
    one.configure(server={"page": "off"}, asr={"replacements_file": str(rules)})
    with one.running():
        yield one


def test_the_text_is_as_the_rules_want_it_everywhere(service: Service, rules: Path) -> None:
    wanted = sounds.SPEECH_TEXT.replace("今天", "今日").replace("天气", "田七")
    with Client(service.url) as client:
        found = client.transcribe(sounds.SPEECH)
        assert found.text == wanted
        assert found.replacements == (
            ReplacementReport("今天", "今日", "plain", 1),
            ReplacementReport("天气", "田七", "pinyin", 1),
        )
        # Words and their times are what was heard.
        assert "".join(t.text for s in found.segments for t in s.tokens) == sounds.SPEECH_TEXT
        assert wanted in client.transcribe_as(sounds.SPEECH, "srt")
    speech = audio.decode(sounds.SPEECH, max_seconds=60)
    with connect(service.url.replace("http", "ws") + "/live") as socket:
        socket.send(json.dumps({"type": "start"}))
        socket.send((speech * 32767).astype("<i2").tobytes())
        socket.send(json.dumps({"type": "stop"}))
        while (message := json.loads(socket.recv(PATIENCE_SECONDS)))["type"] != "done":
            pass
    assert message["text"] == wanted
    assert [one["written"] for one in message["replacements"]] == ["今日", "田七"]


def test_rules_that_are_changed_count_for_the_next_request(service: Service, rules: Path) -> None:
    rules.write_text("/今(.)/ => \\1今\n")
    with Client(service.url) as client:
        wait_until(
            lambda: client.transcribe(sounds.SPEECH).text.startswith("天今"), "the new rules"
        )
        rules.write_text(f"{sounds.SPEECH_TEXT} =>\n")
        wait_until(
            lambda: not client.transcribe(sounds.SPEECH).segments, "a sentence that is left out"
        )
