"""A command of this release asks a service of another one, which tells less or more."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seacod.cli.status import lines
from seacod.client.status_shape import completed

GPU = {"index": 0, "name": "NVIDIA", "used_bytes": 1 << 30, "total_bytes": 12 << 30}
# As this release tells it (`supervisor/status.py`).
WHOLE: dict[str, Any] = {
    "version": "0.1.0", "pid": 7, "since": 1.0, "url": "http://127.0.0.1:7860",
    "listening": [{"address": "0.0.0.0:7860", "url": "http://127.0.0.1:7860", "serves": "http",
                   "from_unit": False}],
    "funasr_url": None, "state": "serving", "pause": None,
    "settings_from": {"file": None, "default_file": "/etc/seacod/seacod.yaml", "options": {}},
    "paths": {"state": "/var/lib/seacod", "runtime": "/run/seacod", "temp": "/t", "models": "/m"},
    "metrics": {"url": "http://127.0.0.1:8000/metrics", "scraped_at": None, "scraped_by": None},
    "worker": {"pid": 8, "state": "serving", "since": 1.0, "stage": "",
               "stage_zh": "",
               "last_start_seconds": None, "model": "builtin", "device": "cpu"},
    "workers": [{"number": 1, "gpu": None, "pid": 8, "state": "serving", "since": 1.0, "stage": "",
               "stage_zh": "",
                 "last_start_seconds": None, "model": "builtin", "device": "cpu", "restarts": 0,
                 "in_flight": 0, "queue_depth": 0, "answered": 3}],
    "nursery": {"pid": 9, "state": "ready", "since": 1.0, "waiting_pid": 10},
    "replacement": None, "leaving": 0,
    "restarts": {"count": 1, "last_causes": ["signal SIGKILL"], "last": [
        {"at": 1.0, "cause": "signal SIGKILL", "cause_zh": "收到信号 SIGKILL"}],
        "last_away_seconds": 0.5, "total_away_seconds": 0.5},
    "in_flight": 0, "queue_depth": 0, "running": "",
    "gpu": {"state": "read", "read_at": 1.0, "gpus": [GPU], "lost": [], "full_by_others": [0]},
    "reload": {"number": 0, "state": "none", "problem": "", "problem_zh": "", "live": [],
               "replaced": [], "needs_restart": []},
    "alerts": {
        "waiting": 0, "open": [{"kind": "disk_low", "key": "", "since": 1.0}],
        "unwritten": [
            {"id": 1, "channel": "mail", "kind": "disk_low", "key": "",
             "text": {"en": "It fills.", "zh": "将满。"}, "at": 1.0, "is_recovery": False,
             "count": 1, "state": "delivered", "attempts": 1, "answer": "250 ok"}],
    },
    "notices": [{"at": 1.0, "event": "worker_crashed", "text": "it ended", "text_zh": "已退出"}],
}  # fmt: skip


def paths_of(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every key of a snapshot is."""
    found = []
    if isinstance(value, dict):
        for key, one in value.items():
            found += [(*at, key), *paths_of(one, (*at, key))]
    elif isinstance(value, list):
        for number, one in enumerate(value):
            found += paths_of(one, (*at, number))
    return found


# What an older service has told from the first release on: figures of a GPU, by their names.
LEFT_OUT = [path for path in paths_of(WHOLE) if path[:2] != ("gpu", "gpus") or len(path) == 2]


def without(path: tuple[Any, ...]) -> dict[str, Any]:
    told = copy.deepcopy(WHOLE)
    place: Any = told
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return told


@pytest.mark.parametrize("path", LEFT_OUT, ids=lambda path: ".".join(map(str, path)))
def test_a_service_that_does_not_tell_it_is_shown_all_the_same(path: tuple[Any, ...]) -> None:
    assert lines(completed(without(path)))


def test_what_is_told_stays_as_it_is() -> None:
    assert completed(copy.deepcopy(WHOLE)) == WHOLE
    assert completed({**WHOLE, "of the next release": 1})["of the next release"] == 1


def test_an_alert_of_a_later_release_has_its_name() -> None:
    told = copy.deepcopy(WHOLE)
    told["alerts"]["open"][0]["kind"] = "flux_capacitor"
    assert any("flux_capacitor" in line for line in lines(completed(told)))


def test_another_release_is_named() -> None:
    told = {**copy.deepcopy(WHOLE), "version": "0.0.9"}
    assert any("this command is of" in line for line in lines(completed(told)))


def test_full_by_others_and_a_pause_are_in_a_line() -> None:
    told = copy.deepcopy(WHOLE)
    told["pause"] = {"reason": "new disks", "since": 1.0, "retry_after_seconds": 5}
    text = "\n".join(lines(told))
    assert "FULL, by other programs" in text
    assert "PAUSED" in text
    assert "new disks" in text


@given(st.recursive(st.none() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(
    st.sampled_from(list(WHOLE)), c)))  # fmt: skip
def test_whatever_is_told_the_shape_is_there(told: Any) -> None:
    if isinstance(told, dict):
        assert set(WHOLE) <= set(completed(json.loads(json.dumps(told))))
