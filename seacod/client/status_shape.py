"""What a service tells at its status socket, as the commands expect it: what another release leaves
out is filled in as unknown, so that a command of this release can ask a service of the one before.
Used by `status_socket.py`; `supervisor/status.py` is what tells.
"""

from __future__ import annotations

from typing import Any

_FACE: dict[str, Any] = {
    "pid": None, "state": "absent", "since": 0.0, "stage": "", "stage_zh": "",
    "last_start_seconds": None, "model": "", "device": "",
}  # fmt: skip
_OTHER: dict[str, Any] = {"pid": 0, "state": "", "since": 0.0}
# In a list stands what each item has; in a tuple what is there, or None.
_SHAPE: dict[str, Any] = {
    "version": "",
    "pid": 0,
    "since": 0.0,
    "url": "",
    "listening": [{"address": "", "url": "", "serves": "http", "from_unit": False}],
    "funasr_url": None,
    "state": "absent",
    "pause": ({"reason": "", "since": 0.0, "retry_after_seconds": 0},),
    "settings_from": ({"file": None, "default_file": None, "options": {}},),
    "paths": {},
    "metrics": ({"url": "", "scraped_at": None, "scraped_by": None},),
    "worker": _FACE,
    "workers": [
        {
            "number": 1, "gpu": None, **_FACE, "restarts": 0, "in_flight": 0, "queue_depth": 0,
            "answered": 0,
        }
    ],
    "nursery": ({**_OTHER, "waiting_pid": None},),
    "replacement": (_OTHER,),
    "leaving": 0,
    "restarts": {
        "count": 0,
        "last_causes": [],
        "last": [{"at": 0.0, "cause": "", "cause_zh": ""}],
        "last_away_seconds": None,
        "total_away_seconds": 0.0,
    },
    "in_flight": 0,
    "queue_depth": 0,
    "running": "",
    "gpu": {
        "state": "unknown", "read_at": None, "gpus": [{}], "lost": [], "full_by_others": [],
    },
    "reload": {
        "number": 0, "state": "none", "problem": "", "problem_zh": "", "live": [], "replaced": [],
        "needs_restart": [],
    },
    "alerts": (
        {
            "waiting": 0, "open": [{"kind": "", "key": "", "since": 0.0}],
            # The last messages, while they cannot be written into the file that commands read.
            "unwritten": (
                [
                    {
                        "id": 0, "channel": "", "kind": "", "key": "", "text": {"en": "", "zh": ""},
                        "at": 0.0, "is_recovery": False, "count": 1, "state": "", "attempts": 0,
                        "answer": "",
                    }
                ],
            ),
        },
    ),
    "notices": [{"at": 0.0, "event": "", "text": "", "text_zh": ""}],
}  # fmt: skip


def completed(told: dict[str, Any]) -> dict[str, Any]:
    """The snapshot with everything in it that a command of this release looks for."""
    whole: dict[str, Any] = _filled(told, _SHAPE)
    return whole


def _filled(told: Any, shape: Any) -> Any:
    if isinstance(shape, dict):
        if not isinstance(told, dict):
            told = {}
        return {**told, **{key: _filled(told.get(key), one) for key, one in shape.items()}}
    if isinstance(shape, list):
        items = told if isinstance(told, list) else []
        return [_filled(one, shape[0]) for one in items] if shape else items
    if isinstance(shape, tuple):
        return None if told is None else _filled(told, shape[0])
    return shape if told is None else told
