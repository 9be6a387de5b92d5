"""What the outbox promises whoever kills the service, fills its disk or reads its file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from seacod.alerts import outbox as module
from seacod.alerts.alert import Alert, Message, Told
from seacod.alerts.compose import compose
from seacod.alerts.outbox import Outbox
from seacod.config.alerts import AlertSettings
from seacod.system.text import masking

TOLD = Told(True, 1.0, 1.0, 0)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    one = Outbox(tmp_path / "alerts.sqlite3")
    yield one
    one.close()


def alert(kind: str = "leak", **more: Any) -> Alert:
    return Alert(**{"kind": kind, "key": "", "text": {"en": "x", "zh": "y"}, "at": 5.0, **more})


def test_a_write_that_fails_leaves_nothing_and_the_next_one_works(outbox: Outbox) -> None:
    broken = Told(True, 1.0, object(), 0)  # type: ignore[arg-type]
    with pytest.raises(sqlite3.Error):
        outbox.add(alert(), broken, ["mail", "webhook"], 0.0)
    assert outbox.depth() == 0
    outbox.add(alert(), TOLD, ["mail", "webhook"], 0.0)
    assert outbox.depth() == 2


def test_a_sync_brings_everything_into_the_file_itself(outbox: Outbox) -> None:
    outbox.add(alert(), TOLD, ["mail"], 0.0)
    waiting = outbox.path.with_name(outbox.path.name + "-wal")
    assert waiting.stat().st_size > 0
    outbox.sync()
    assert waiting.stat().st_size == 0


def test_no_secret_is_kept(outbox: Outbox) -> None:
    masking.remember("hook-token-55q")
    outbox.add(alert(evidence={"line": "POST /hook-token-55q"}), TOLD, ["mail"], 0.0)
    assert b"hook-token-55q" not in outbox.path.with_name(outbox.path.name + "-wal").read_bytes()


def test_one_more_is_counted_only_where_all_still_wait(outbox: Outbox) -> None:
    outbox.add(alert(), TOLD, ["mail", "webhook"], 0.0)
    assert outbox.counted_in_waiting("leak", "", ["mail", "webhook"])
    assert [outbox.waiting(one)[0].count for one in ("mail", "webhook")] == [2, 2]
    outbox.delivered([outbox.waiting("mail")[0].id], 6.0, "ok")
    assert not outbox.counted_in_waiting("leak", "", ["mail", "webhook"])
    assert not outbox.counted_in_waiting("leak", "", [])


def test_nothing_is_counted_in_what_is_being_sent(outbox: Outbox) -> None:
    outbox.add(alert(), TOLD, ["mail"], 0.0)
    with outbox.sending([1]):
        assert not outbox.counted_in_waiting("leak", "", ["mail"])
    assert outbox.counted_in_waiting("leak", "", ["mail"])


def test_news_wait_with_what_was_tried_already(outbox: Outbox) -> None:
    outbox.add(alert(), TOLD, ["mail"], 10.0)
    assert outbox.next_due("mail") == 10.0
    outbox.put_off([1], 300.0, "451")
    assert outbox.waiting("mail")[0].attempts == 1
    outbox.add(alert("poison"), TOLD, ["mail"], 20.0)
    assert outbox.next_due("mail") == 300.0
    assert [one.alert.kind for one in outbox.waiting("mail")] == ["leak", "poison"]
    assert outbox.next_due("webhook") is None


def test_who_has_a_message_has_it_after_the_next_try_too(outbox: Outbox) -> None:
    outbox.add(alert(), TOLD, ["mail"], 0.0)
    for receiver in ("a@example.org", "b@example.org"):
        outbox.reached(outbox.waiting("mail"), [receiver])
    assert outbox.waiting("mail")[0].reached == {"a@example.org", "b@example.org"}


def test_what_was_sent_is_kept_to_a_bound_and_what_waits_without(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KEPT", 5)
    outbox.add(alert("poison"), TOLD, ["webhook"], 0.0)
    for _ in range(20):
        outbox.add(alert(), TOLD, ["mail"], 0.0)
    outbox.delivered([one.id for one in outbox.waiting("mail")], 6.0, "ok")
    assert len(outbox.recent(100)) == 6
    assert len(outbox.waiting("webhook")) == 1


def composed(language: str = "en", **more: Any) -> Any:
    one = Message(
        id=1, channel="mail", alert=alert(**more), count=1, state="waiting", attempts=0,
        made_at=5.0, due_at=0.0, done_at=None, answer="",
    )  # fmt: skip
    return compose([one], AlertSettings(language=language, name="box"))  # type: ignore[arg-type]


BAD = "<script>&</script>"


@pytest.mark.parametrize(
    "more",
    [
        {"text": {"en": BAD, "zh": BAD}},
        {"key": BAD},
        {"evidence": {"last recording": BAD}},
        {"evidence": {BAD: "x"}},
        {"evidence": {"lines": ["a", BAD]}},
        {"evidence": {BAD: ["a"]}},
    ],
)
def test_nobodys_words_are_markup(more: dict[str, Any]) -> None:
    page = composed(**more).html
    assert "<script" not in page
    assert "&lt;script&gt;&amp;" in page


@pytest.mark.parametrize(
    "bad",
    ["[log in](https://evil.example)", "![](https://evil.example/1.png)", "<https://evil.example>"],
)
@pytest.mark.parametrize("place", ["text", "key", "evidence"])
def test_nobodys_words_are_a_link_in_markdown(bad: str, place: str) -> None:
    more = {"text": {"en": bad, "zh": bad}, "key": bad, "evidence": {"last recording": bad}}
    said = composed(**{place: more[place]}).markdown
    assert "evil.example" in said
    assert "](" not in said
    assert "<h" not in said


def test_a_subject_is_one_line_of_two_hundred_letters() -> None:
    subject = composed(key="a\r\nBcc: other@example.org\n" + "x" * 500).subject
    assert "\n" not in subject
    assert "\r" not in subject
    assert len(subject) == 200


def test_an_end_is_not_as_bad_as_its_beginning_and_figures_of_ours_stay_here() -> None:
    begun, over = composed(kind="crash_loop"), composed(kind="crash_loop", is_recovery=True)
    assert (begun.severity.value, over.severity.value) == ("critical", "info")
    assert "/state/picture" not in composed(evidence={"_picture": "/state/picture"}).text
    assert "\ny\n" in composed("zh").text


def test_what_nobody_was_told_has_the_time_when_it_began(outbox: Outbox) -> None:
    outbox.add(alert("leak"), Told(True, 50.0, 0.0, 0), [], 0.0)
    outbox.add(alert("jobs"), Told(False, 10.0, 40.0, 0), ["mail"], 0.0)
    assert outbox.recent_alerts(5) == [("leak", "", 50.0, True), ("jobs", "", 40.0, False)]
