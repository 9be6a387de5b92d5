"""`seacod mcp`, asked by the official client of the Model Context Protocol over stdio."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sounds
from mcp import Client, StdioServerParameters
from supervised import PATIENCE_SECONDS, ROOT, Service, free_port

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "LANG": "C"}


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "seacod", "mcp", *map(str, arguments)]


def called(service_url: str, allowed: Path | None, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """What each call of a tool gives, and before them the names of the tools."""

    async def act() -> list[Any]:
        program, *words = command("--url", service_url)
        words += ["--allow", str(allowed)] if allowed is not None else []
        server = StdioServerParameters(command=program, args=words, env=ENVIRONMENT)
        async with Client(server) as client:
            tools = {one.name: one for one in (await client.list_tools()).tools}
            return [tools, *[await client.call_tool(name, given) for name, given in calls]]

    return asyncio.run(asyncio.wait_for(act(), PATIENCE_SECONDS))


def test_an_assistant_hears_files_of_allowed_directories_and_nothing_else(
    live: Service, tmp_path: Path
) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shutil.copy(sounds.SPEECH, shared / "会议.flac")
    shutil.copy(sounds.SPEECH, tmp_path / "private.flac")
    (shared / "out.flac").symlink_to(tmp_path / "private.flac")
    (shared / "text.flac").write_text("no sound")
    tools, plain, by_place, subtitles, state, *refused = called(
        live.url, shared,
        ("transcribe", {"path": "会议.flac"}),
        ("transcribe", {"path": str(shared / "会议.flac"), "hotwords": "天气"}),
        ("transcribe", {"path": "会议.flac", "format": "srt"}),
        ("service_state", {}),
        ("transcribe", {"path": str(tmp_path / "private.flac")}),
        ("transcribe", {"path": "../private.flac"}),
        ("transcribe", {"path": "out.flac"}),
        ("transcribe", {"path": "/etc/passwd"}),
        ("transcribe", {"path": "nothing.flac"}),
        ("transcribe", {"path": "text.flac"}),
        ("transcribe", {"path": "会议.flac", "format": "docx"}),
        ("transcribe", {"path": "会议.flac", "format": "nix"}),
        ("transcribe", {"path": "会议.flac", "url": "https://example.com/a.wav"}),
        ("transcribe", {}),
        ("transcribe", {"url": "https://example.com/a.wav"}),
    )  # fmt: skip
    assert set(tools) == {"transcribe", "service_state"}
    assert "hotwords" in tools["transcribe"].description
    assert plain.content[0].text.strip() == sounds.SPEECH_TEXT
    assert by_place.content[0].text.strip() == sounds.SPEECH_TEXT
    assert "-->" in subtitles.content[0].text
    assert not plain.is_error
    assert state.structured_content["model"] == "builtin"
    words = ["outside of"] * 4 + [
        "there is no such file", "not audio", "docx is no text", "there is no 'nix'",
        "one of them", "one of them", "outgoing.input_hosts",
    ]  # fmt: skip
    assert [one.is_error for one in refused] == [True] * len(words)
    for one, expected in zip(refused, words, strict=True):
        assert expected in one.content[0].text, one.content


def test_without_a_directory_no_file_is_heard_and_a_service_that_is_away_is_told(
    live: Service, tmp_path: Path
) -> None:
    _, one = called(live.url, None, ("transcribe", {"path": str(sounds.SPEECH)}))
    assert one.is_error
    assert "without --allow" in one.content[0].text
    _, one = called(f"http://127.0.0.1:{free_port()}", None, ("service_state", {}))
    assert one.is_error
    assert "no seacod answers" in one.content[0].text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--allow", "/no/such/place"), "--allow /no/such/place: there is no such directory"),
        (("--url", "asr.example.com"), "is not an address"),
    ],
)
def test_what_cannot_be_served_is_told_at_once(words: tuple[str, ...], said: str) -> None:
    done = subprocess.run(
        command(*words), capture_output=True, text=True, env=ENVIRONMENT, check=False,
        timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
