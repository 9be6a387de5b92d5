"""What a registry promises: one more file is one more thing, everywhere. A copy of the package gets
the file, and a real service is started from the copy."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import sounds
from openai import OpenAI
from package_copy import copy_of_package, run_with, running
from supervised import PATIENCE_SECONDS, Service, wait_until

pytestmark = pytest.mark.full
FORMAT = """
from seacod.formats.base import OutputFormat


def _render(transcript, choices):
    return f"{len(transcript.segments)} lines\\n{transcript.text}\\n"


FORMAT = OutputFormat(
    "lines", ".lines", "text/x-lines; charset=utf-8", "Counted lines", "计数文本", 35,
    render=_render, render_openai=_render, is_on_page=True, is_in_zip=True,
)
"""
TAB = """
from seacod.web.page.tabs.registry import Tab
from seacod.web.page.texts import both

_TEXTS = {"tab_notes": ("笔记", "Notes"), "notes_hint": ("随手记", "Write something down")}
TAB = Tab("notes", 25, _TEXTS, lambda service: f'<p id="sc-notes">{both("notes_hint")}</p>')
"""
WRITTEN = f"1 lines\n{sounds.SPEECH_TEXT}\n"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with a format and a tab more."""
    copy = copy_of_package(tmp_path_factory.mktemp("copy"))
    (copy / "seacod/formats/lines.py").write_text(FORMAT)
    (copy / "seacod/web/page/tabs/notes.py").write_text(TAB)
    return copy


@pytest.fixture(scope="module")
def grown(copy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("grown"))
    service.configure(server={"page": "on"})
    with running(service, copy):
        yield service


def test_a_format_is_answered_by_the_api_and_described(grown: Service) -> None:
    with httpx.Client(base_url=grown.url, trust_env=False, timeout=PATIENCE_SECONDS) as client:
        for fields, written in (
            ({"format": "lines"}, lambda answer: answer.text),
            ({"also": "lines"}, lambda answer: answer.json()["also"]["lines"]),
        ):
            with sounds.SPEECH.open("rb") as file:
                answer = client.post("/transcribe", data=fields, files={"file": file})
            assert written(answer) == WRITTEN
        described = client.get("/openapi.json").json()["paths"]
    for route, field in (
        ("/transcribe", "format"), ("/v1/audio/transcriptions", "response_format"),
    ):  # fmt: skip
        body = described[route]["post"]["requestBody"]["content"]["multipart/form-data"]
        assert "lines" in body["schema"]["properties"][field]["enum"]


def test_a_format_is_there_for_clients_of_openai(grown: Service) -> None:
    client = OpenAI(base_url=f"{grown.url}/v1", api_key="none")
    with sounds.SPEECH.open("rb") as file:
        text = client.audio.transcriptions.create(
            model="whisper-1",
            file=file,
            response_format="lines",  # type: ignore[call-overload]
        )
    assert text == WRITTEN


def test_a_format_is_in_the_results_of_a_batch(grown: Service) -> None:
    with httpx.Client(base_url=grown.url, trust_env=False, timeout=PATIENCE_SECONDS) as client:
        with sounds.SPEECH.open("rb") as file:
            job = client.post("/batch_transcribe", files={"files": ("a.flac", file)}).json()["job"]
        wait_until(lambda: client.get(f"/jobs/{job}").json()["finished"], "the batch is over")
        results = zipfile.ZipFile(io.BytesIO(client.get(f"/jobs/{job}/results").content))
    assert results.read("0001-a.lines").decode() == WRITTEN


def test_a_format_can_be_typed_and_files_get_its_ending(
    copy: Path, grown: Service, tmp_path: Path
) -> None:
    assert "lines" in run_with(copy, "-m", "seacod", "transcribe", "--help")
    told = ("-m", "seacod", "transcribe", sounds.SPEECH, "-o", tmp_path, "--format", "lines")
    run_with(copy, *told, "--url", grown.url)
    assert (tmp_path / sounds.SPEECH.with_suffix(".lines").name).read_text("utf-8") == WRITTEN


def test_a_format_is_written_by_archives(copy: Path) -> None:
    ending, written = run_with(
        copy,
        "-c",
        f"""
from seacod.archive import actor, inputs
from seacod.config.schema import Settings
from seacod.formats import registry
from seacod.transcript import Transcript

chosen = registry.chosen("format", "lines", registry.all_formats())
(item,) = inputs.items([{str(sounds.SPEECH)!r}], chosen)
made = actor.TranscriptionActor(Settings().model_dump_json(), "lines")
transcript = Transcript("好", (), 1.0, 1.0, 0.0, None, "builtin", "cpu")
print(item.output(chosen), made._format.write(transcript))
""",
    ).split(" ", 1)
    assert ending == sounds.SPEECH.with_suffix(".lines").name
    assert written.startswith("0 lines\n好")


def test_a_format_and_a_tab_are_on_the_page(grown: Service) -> None:
    page = grown.get("/")[2].decode()
    given = re.search(r"window.seacodSetup = (.*?);</script>", page)
    assert given
    setup = json.loads(given[1])
    assert [one["name"] for one in setup["tabs"]] == ["single", "batch", "notes", "live", "system"]
    assert setup["texts"]["zh"]["tab_notes"] == "笔记"
    assert "lines" in [one["name"] for one in setup["formats"]]
    assert setup["texts"]["en"]["format_lines"] == "Counted lines"
    assert '<p id="sc-notes"><span class="only-zh"' in page
    offered = re.search(r'<a [^>]*data-do="lines"[^>]*>LINES</a>', page)
    assert offered and 'data-title="format_lines"' in offered[0]
