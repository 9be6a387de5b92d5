"""`seacod transcribe`, as somebody at a terminal uses it, against the running service."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import sounds
import speaker_models
import typed
from docx import Document
from supervised import Service, free_port

from seacod.asr.assembly import FOR_TRYING
from seacod.cli import plan
from seacod.errors import BadRequest
from seacod.formats.text import FORMAT as TEXT

WITH_HOTWORDS = next(e for e in sounds.EXAMPLES if e["hotwords"])


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return typed.seacod("transcribe", *arguments, **{"LANG": "C", **environment})


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """a.flac, deep/b.flac, deep/broken.wav and something that is no recording."""
    (tmp_path / "in/deep").mkdir(parents=True)
    for name in ("in/a.flac", "in/deep/b.flac"):
        shutil.copy(sounds.SPEECH, tmp_path / name)
    (tmp_path / "in/notes.txt").write_text("no sound")
    (tmp_path / "in/deep/broken.wav").write_text("no sound")
    return tmp_path


def test_one_recording_is_printed(live: Service, recordings: Path) -> None:
    done = run(recordings / "in/a.flac", "--url", live.url)
    assert (done.returncode, done.stdout) == (0, f"{sounds.SPEECH_TEXT}\n")
    # What a reader ought to know is told beside the text.
    assert done.stderr == f"{FOR_TRYING.message}\n"
    done = run(recordings / "in/a.flac", "--url", live.url, "--show-warnings")
    assert done.stdout.startswith(f"注意：{FOR_TRYING.chinese}\nNote: {FOR_TRYING.message}\n\n")
    file = sounds.EXAMPLES_DIRECTORY / WITH_HOTWORDS["file"]
    done = run(file, "--url", live.url, "--hotwords", WITH_HOTWORDS["hotwords"])
    assert done.stdout.strip() == WITH_HOTWORDS["text_with_hotwords"]
    # The service of this configuration is found by itself.
    done = run(recordings / "in/a.flac", "--config", live.config, "--format", "json")
    assert json.loads(done.stdout)["text"] == sounds.SPEECH_TEXT


def test_an_address_that_is_none_and_a_model_that_is_none(recordings: Path) -> None:
    done = run(recordings / "in/a.flac", "--url", "asr.example.com")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "seacod: --url asr.example.com: is not an address: it must begin with"
    )
    done = run(recordings / "in/a.flac", "--local", "--model", "nix")
    assert done.returncode == 1
    assert done.stderr.endswith("\n") and done.stderr.count("\n") <= 2
    assert "seacod: asr.model: is 'nix', which is no model; use builtin" in done.stderr
    assert "{" not in done.stderr


def test_a_directory_goes_to_another_and_is_taken_up_again(live: Service, recordings: Path) -> None:
    out = recordings / "out"
    command = (recordings / "in", "-o", out, "--format", "srt", "--url", live.url)
    done = run(*command)
    assert done.returncode == 1
    assert "broken.wav: the file is not audio" in done.stderr
    assert "Traceback" not in done.stderr
    written = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert written == {"a.srt", "deep/b.srt"}
    assert sounds.SPEECH_TEXT in (out / "deep/b.srt").read_text("utf-8")

    (out / "a.srt").write_text("changed by hand")
    (out / "deep/b.srt").unlink()
    done = run(*command)
    assert "1 done before" in done.stderr
    assert (out / "a.srt").read_text() == "changed by hand"
    assert (out / "deep/b.srt").exists()
    # Newer than its text: again.
    os.utime(recordings / "in/a.flac")
    run(*command)
    assert sounds.SPEECH_TEXT in (out / "a.srt").read_text("utf-8")
    (out / "a.srt").write_text("changed by hand")
    run(*command, "--again")
    assert sounds.SPEECH_TEXT in (out / "a.srt").read_text("utf-8")


def test_a_document_is_a_file_and_what_is_about_the_model_is_told_once(
    live: Service, recordings: Path
) -> None:
    out = recordings / "out"
    command = (recordings / "in/*.flac", recordings / "in/deep/*.flac", "--format", "docx")
    done = run(*command, "--url", live.url, "-o", out)
    assert (done.returncode, done.stderr) == (0, f"{FOR_TRYING.message}\n")
    for name in ("a.docx", "b.docx"):
        assert Document(out / name).paragraphs[-1].text.endswith(sounds.SPEECH_TEXT)
    refused = run(*command, "--url", live.url)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "say with -o where the files go" in refused.stderr


def test_what_is_wrong_is_said_in_a_sentence(live: Service, recordings: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    a = recordings / "in/a.flac"
    for arguments, code, words in (
        (["nofile.wav", "--url", live.url], 1, "no such file"),
        (["*.nothing", "--url", live.url], 1, "no such file"),
        ([recordings / "in/notes.txt", "--url", live.url], 1, "not audio"),
        ([recordings / "out", "--url", live.url], 1, "no such file"),
        ([a, "--url", nowhere], 69, "no seacod answers"),
        ([a, "--format", "pdf", "--url", live.url], 1, "use one of json"),
        ([a, "-o", "/proc/nowhere", "--url", live.url], 73, "cannot be written"),
    ):
        done = run(*arguments)
        assert done.returncode == code, done.stderr
        assert words in done.stderr
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_an_engine_of_its_own(recordings: Path) -> None:
    done = run(recordings / "in/a.flac", "--local")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == sounds.SPEECH_TEXT


@pytest.mark.full
def test_an_engine_of_its_own_has_the_models_and_rules_of_this_machine(
    recordings: Path, tmp_path: Path
) -> None:
    speaker_models.stand_in(tmp_path / "models")
    (tmp_path / "rules.txt").write_text("今天 => 今日\n")
    config = tmp_path / "seacod.yaml"
    config.write_text(
        f"asr:\n  models_directory: {tmp_path}/models\n  replacements_file: {tmp_path}/rules.txt\n"
    )
    done = run(
        recordings / "in/a.flac", "--local", "--speakers", "1", "--config", config
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"S1: {sounds.SPEECH_TEXT.replace('今天', '今日')}\n"


def test_wildcards_are_understood_and_nothing_is_taken_twice(recordings: Path) -> None:
    pattern = str(recordings / "in/**/*.flac")
    found = plan.tasks([pattern, str(recordings / "in/a.flac")], None, TEXT)
    assert [task.source.name for task in found] == ["a.flac", "b.flac"]


def test_texts_go_into_a_directory_and_no_file(recordings: Path) -> None:
    given = [str(recordings / "in/a.flac")]
    with pytest.raises(BadRequest, match=r"a\.flac: is no directory"):
        plan.tasks(given, Path(given[0]), TEXT)


def test_two_recordings_do_not_share_a_text(recordings: Path) -> None:
    shutil.copy(sounds.SPEECH, recordings / "a.flac")
    given = [str(recordings / "a.flac"), str(recordings / "in/a.flac")]
    with pytest.raises(BadRequest, match="would both be written"):
        plan.tasks(given, recordings / "out", TEXT)
