"""What a reload finds changed, and how each change takes effect."""

from __future__ import annotations

from typing import Any

import pytest

from seacod.config.changes import applied, compare, values, with_values, without
from seacod.config.keys import leaves
from seacod.config.schema import Settings


def settings(**sections: dict[str, Any]) -> Settings:
    return Settings.model_validate(sections)


def test_every_key_has_an_answer() -> None:
    assert {applied(".".join(path)) for path in leaves()} == {"live", "replace", "restart"}


def test_changes_are_sorted_by_how_they_take_effect() -> None:
    new = settings(
        server={"port": 1234, "root_path": "/asr"},
        limits={"queue_length": 7, "max_audio_seconds": 60},
        log={"level": "debug"},
    )
    found = compare(Settings(), new)
    assert found.live == ("limits.queue_length", "log.level")
    assert found.replace == ("server.root_path", "limits.max_audio_seconds")
    assert found.restart == ("server.port",)
    assert not compare(new, new)


def test_what_needs_a_restart_keeps_its_old_value() -> None:
    new = settings(server={"port": 1234}, limits={"queue_length": 7})
    kept = without(new, Settings(), ("server.port",))
    assert (kept.server.port, kept.limits.queue_length) == (7860, 7)


def test_values_travel_as_json_and_come_back() -> None:
    new = settings(paths={"temp_directory": "/tmp/x"}, limits={"queue_length": 7})
    carried = values(new, ("paths.temp_directory", "limits.queue_length"))
    assert carried == {"paths.temp_directory": "/tmp/x", "limits.queue_length": 7}
    assert with_values(Settings(), carried) == new


def test_values_are_checked_like_any_others() -> None:
    with pytest.raises(ValueError, match="queue_length"):
        with_values(Settings(), {"limits.queue_length": 0})
