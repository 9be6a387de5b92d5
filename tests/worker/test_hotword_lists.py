"""The lists of the server: joined to each request's, read anew when they change."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import pytest
from supervised import PATIENCE_SECONDS

from seacod.asr import hotword_lists
from seacod.asr.hotword_lists import HotwordLists
from seacod.config.schema import Settings


def settings(file: Path | None, **limits: int) -> Settings:
    return Settings.model_validate({"asr": {"hotwords_file": file}, "limits": limits})


@pytest.fixture(autouse=True)
def looks_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hotword_lists, "_LOOK_SECONDS", 0.0)


def test_a_file_is_joined_and_read_anew_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"

    async def test() -> None:
        lists = HotwordLists(settings(file))
        # It is not there yet.
        assert (await lists.of("今天", "someone")).words == ("今天",)
        file.write_bytes("欣悦 20\n宏宇 30\n".encode("gbk"))
        found = await lists.of("今天", "someone")
        assert found.words == ("今天", "欣悦", "宏宇")
        assert found.of_server == 2
        # The remark is about words of the request only.
        assert found.warnings == ()
        fresh = tmp_path / "fresh"
        fresh.write_text("海鸟")
        os.replace(fresh, file)
        assert (await lists.of(None, "someone")).words == ("海鸟",)
        file.unlink()
        assert (await lists.of(None, "someone")).words == ("海鸟",)

    asyncio.run(test())


def test_a_file_that_cannot_be_read_is_told_until_it_can(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"

    async def test() -> None:
        lists = HotwordLists(settings(None))
        assert lists.trouble() == ""
        lists.apply(settings(file))

        async def told(words: str) -> None:
            """It is looked at without a request."""
            began = time.monotonic()
            while lists.trouble() != words:
                assert time.monotonic() - began < PATIENCE_SECONDS, lists.trouble()
                await asyncio.sleep(0.01)

        await told("No such file or directory")
        file.write_text("海鸟")
        await told("")
        file.write_bytes(bytes(range(256)) * 20)
        began = time.monotonic()
        while "it is not a text file" not in lists.trouble():
            assert time.monotonic() - began < PATIENCE_SECONDS, lists.trouble()
            await asyncio.sleep(0.01)
        file.write_text("海鸟")
        await told("")
        file.unlink()
        await told("No such file or directory")
        lists.apply(settings(None))
        assert lists.trouble() == ""

    asyncio.run(test())


def test_in_a_directory_each_name_has_its_own_besides_that_of_all(tmp_path: Path) -> None:
    (tmp_path / "all.txt").write_text("今天")
    (tmp_path / "clinic.txt").write_text("血压")
    (tmp_path / "notes.md").write_text("明天")

    async def test() -> None:
        lists = HotwordLists(settings(tmp_path))
        assert (await lists.of("海鸟", "clinic")).words == ("海鸟", "血压", "今天")
        assert (await lists.of(None, "10.0.0.7")).words == ("今天",)
        assert (await lists.of(None, "../clinic")).words == ("今天",)
        # As a key and a login come in, by themselves, in a batch and with a microphone.
        for client in ("key:clinic", "user:clinic", "job:key:clinic", "live:user:clinic"):
            assert (await lists.of(None, client)).words == ("血压", "今天"), client

    asyncio.run(test())


def test_other_settings_count_from_the_next_request_on(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("一\n二\n三")

    async def test() -> None:
        lists = HotwordLists(settings(None))
        assert (await lists.of(None, "someone")).words == ()
        lists.apply(settings(file))
        assert (await lists.of(None, "someone")).words == ("一", "二", "三")
        lists.apply(settings(file, max_hotwords=2))
        found = await lists.of("四 五 六", "someone")
        assert found.words == ("四", "五", "一", "二")
        assert [one.word for one in found.ignored] == ["六"]

    asyncio.run(test())


def test_a_word_of_both_counts_once_and_a_file_whose_name_nobody_has_is_no_list(
    tmp_path: Path,
) -> None:
    (tmp_path / "all.txt").write_text("今天 海鸟")
    (tmp_path / "two words.txt").write_text("血压")

    async def test() -> None:
        lists = HotwordLists(settings(tmp_path))
        found = await lists.of("海鸟", "key:two words")
        assert (found.words, found.of_server) == (("海鸟", "今天"), 1)

    asyncio.run(test())


def test_long_lists_are_read_by_two_threads_and_that_of_a_batch_once() -> None:
    async def test() -> None:
        lists = HotwordLists(settings(None))
        texts = [f"欣悦{number} " * 2_000 for number in range(12)]
        await asyncio.gather(*(lists.of(text, "someone") for text in texts))
        reading = [one for one in threading.enumerate() if one.name.startswith("seacod-hotwords")]
        assert len(reading) == 2
        first = await lists.of(texts[-1], "someone")
        assert await lists.of(texts[-1], "someone") is first

    asyncio.run(test())


def test_what_is_behind_the_most_that_is_read_is_told() -> None:
    async def test() -> None:
        found = await HotwordLists(settings(None)).of("欣悦" + " " * 200_000, "someone")
        assert found.words == ("欣悦",)
        assert [one.code for one in found.warnings] == ["hotwords_not_read"]

    asyncio.run(test())
