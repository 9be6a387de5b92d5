"""Fields that nobody reads are told, with the one that was meant."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seacod.web import known_fields
from seacod.web.known_fields import KnownFields

OWN = KnownFields(
    frozenset(
        {"file", "hotwords", "format", "speakers", "track", "channels", "stream", "also",
         "max_cue_seconds"}
    ),
    frozenset({"format", "stream", "speakers"}),
)  # fmt: skip
OPENAI = KnownFields(
    frozenset({"file", "model", "prompt", "hotwords", "response_format", "include[]"}),
    several=frozenset({"include"}),
)


def told(known: KnownFields, fields: dict[str, list[str]], *query: str) -> list[str]:
    warnings = known.unread(fields, query)
    assert {one.code for one in warnings} <= {"ignored_field"}
    assert all(one.chinese != one.message for one in warnings)
    return [one.message for one in warnings]


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("hotword", "hotwords"), ("Hotwords", "hotwords"), ("hot-words", "hotwords"),
        ("hotwords[]", "hotwords"), ("热词", "hotwords"), ("prompt", "hotwords"),
        ("response_format", "format"), ("diarize", "speakers"), ("num_speakers", "speakers"),
        ("max_cue_second", "max_cue_seconds"), ("chanels", "channels"),
    ],
)  # fmt: skip
def test_the_right_name_is_told(name: str, right: str) -> None:
    (message,) = told(OWN, {"file": [], name: ["x"]})
    assert repr(name) in message
    assert f"the right one is {right!r}" in message


def test_another_services_names_are_told_their_own() -> None:
    assert "the right one is 'response_format'" in told(OPENAI, {"format": ["srt"]})[0]
    assert "the right one is 'prompt'" in told(OPENAI, {"initial_prompt": ["x"]})[0]
    assert "the right one is 'hotwords'" in told(OPENAI, {"hotword": ["x"]})[0]


def test_what_means_nothing_here_is_told_to_be_unread() -> None:
    (message,) = told(OWN, {"colour": ["blue"]})
    assert message == "the field 'colour' is not known here and was not read"


def test_fields_in_the_address_are_told_where_they_belong() -> None:
    assert told(OWN, {}, "stream", "speakers", "format") == []
    assert told(OWN, {}, "hotwords") == [
        "'hotwords' in the address was not read; send it as the field 'hotwords' of the form"
    ]
    assert "as the field 'hotwords' of the form" in told(OWN, {}, "hotword")[0]
    assert "the right one is 'format'" in told(OWN, {}, "response_format")[0]
    assert told(OWN, {}, "utm", "utm") == [
        "'utm' in the address is not known here and was not read"
    ]


def test_a_field_that_came_twice_is_told() -> None:
    assert told(OWN, {"hotwords": ["a", "b"]}) == [
        "the field 'hotwords' came 2 times; the last was read"
    ]
    assert told(OPENAI, {"include[]": ["a", "b"], "include": ["a"], "include[1]": ["b"]}) == []


def test_many_are_counted() -> None:
    messages = told(OWN, {f"unknown-{n}-of-many": ["x"] for n in range(60)})
    assert len(messages) < 12
    assert messages[-1] == f"and {60 - len(messages) + 1} more were not read"


def test_what_was_meant_is_looked_for_only_where_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It takes a moment for each, on the event loop, and tens of thousands fit into a message."""
    looked_for: list[str] = []

    def look(name: str, *others: Any) -> list[str]:
        looked_for.append(name)
        return []

    monkeypatch.setattr(known_fields, "get_close_matches", look)
    told(OWN, {f"unknown{n}": ["x"] for n in range(5_000)}, *(f"asked{n}" for n in range(5_000)))
    assert len(looked_for) <= 8


@given(st.dictionaries(st.text(), st.lists(st.text(max_size=3), max_size=3)), st.lists(st.text()))
def test_whatever_comes_is_bounded_and_what_is_known_is_silent(
    fields: dict[str, list[str]], query: list[str]
) -> None:
    messages = told(OWN, fields, *query)
    assert all(len(message) < 250 for message in messages)
    unknown = [name for name in fields if name not in OWN.fields]
    assert bool(messages) >= bool(unknown)
    once = {name: values[:1] for name, values in fields.items() if name in OWN.fields}
    assert told(OWN, once) == []
