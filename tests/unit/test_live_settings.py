"""A setting that is declared live is read anew by whoever uses it: no object keeps what it was made
with, and what waits for a limit or an interval hears of another one."""

from __future__ import annotations

import ast
import asyncio
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from seacod import logs
from seacod.asr.cache import Cut, CutCache
from seacod.asr.piece import Piece
from seacod.config.schema import SECTIONS, Settings
from seacod.supervisor.workers.nursery import _environment
from seacod.system.processes.waiting import wait_at_most

PACKAGE = Path(__file__).resolve().parents[2] / "seacod"
# Commands, checks and drills read the settings once and end.
SHORT_LIVED = ("config", "cli", "client", "proving", "archive")
LIVE = {
    key
    for section in SECTIONS.values()
    for key in section.model_fields
    if section.declared(key).applies == "live"
}
# Names of settings and of sections, wherever they are held.
HOLDERS = {"settings", "limits", *SECTIONS}

# What is read when an object is made, and why that is right all the same.
READ_ONCE = {
    ("asr/service.py", "concurrent_job_files"): "TranscriptionService.apply",
    ("asr/service.py", "concurrent_requests"): "TranscriptionService.apply",
    ("asr/service.py", "decoded_audio_bytes"): "TranscriptionService.apply",
    ("asr/service.py", "decoded_cache_bytes"): "TranscriptionService.apply",
    ("asr/service.py", "queue_audio_seconds"): "TranscriptionService.apply",
    ("asr/service.py", "queue_length"): "TranscriptionService.apply",
    ("supervisor/workers/worker.py", "startup_timeout_seconds"): "Worker.apply moves the deadline",
}  # fmt: skip

# Who keeps settings for good, and why that is right all the same.
KEPT = {
    ("alerts/channels/base.py", "own"): "made for one message",
    ("alerts/channels/base.py", "settings"): "made for one message",
    ("asr/preparation.py", "settings"): "what asr says of the model, of which nothing is live",
    ("supervisor/watch/gpu_limits.py", "settings"): "GpuGuard gives new ones before each reading",
    ("supervisor/workers/nursery.py", "settings"): "what it has loaded; workers get the new ones",
    ("worker/application.py", "_settings"): "the settings in use, to be asked",
    ("worker/traces.py", "_settings"): "tracing, of which nothing is live",
}  # fmt: skip


def files() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith(SHORT_LIVED):
            yield name, ast.parse(path.read_text("utf-8"))


def constructors(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == "__init__":
            yield node


def at_once(function: ast.FunctionDef) -> Iterator[ast.AST]:
    """What a function does when it is called; a lambda in it is called later."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef):
            waiting += ast.iter_child_nodes(node)


def last_name(node: ast.expr) -> str:
    """`limits` of `self._service.limits`, of `limits` and of `self._limits()`."""
    if isinstance(node, ast.Call):
        node = node.func
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name.lstrip("_")


def test_each_live_key_is_read_by_somebody_who_stays() -> None:
    read = {
        # A secret is read by the name of its key.
        node.attr if isinstance(node, ast.Attribute) else node.value
        for _, tree in files()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.Constant)
    }
    assert LIVE - read == set()


def test_no_object_keeps_the_value_it_was_made_with() -> None:
    found = {
        (name, node.attr)
        for name, tree in files()
        for function in constructors(tree)
        for node in at_once(function)
        if isinstance(node, ast.Attribute)
        and node.attr in LIVE
        and last_name(node.value) in HOLDERS
    }
    assert found == set(READ_ONCE)


def test_what_is_read_once_is_read_again_where_a_reload_comes() -> None:
    trees = dict(files())
    for (name, key), where in READ_ONCE.items():
        owner, _, method = where.partition(" ")[0].partition(".")
        (found,) = (
            function
            for one in ast.walk(trees[name])
            if isinstance(one, ast.ClassDef) and one.name == owner
            for function in one.body
            if isinstance(function, ast.FunctionDef) and function.name == method
        )
        read = {node.attr for node in ast.walk(found) if isinstance(node, ast.Attribute)}
        assert key in read, f"{owner}.{method} does not read {key}"


def test_settings_that_are_kept_are_replaced_at_a_reload() -> None:
    """Who keeps settings, or a section with live keys, has a way to be given new ones."""
    with_live_keys = {
        name
        for name, one in SECTIONS.items()
        if any(one.declared(key).applies == "live" for key in one.model_fields)
    }
    replaced = {
        (name, target.attr)
        for name, tree in files()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name != "__init__"
        for inner in ast.walk(node)
        if isinstance(inner, ast.Assign)
        for whole in inner.targets
        for target in (whole.elts if isinstance(whole, ast.Tuple) else [whole])
        if isinstance(target, ast.Attribute)
    }
    kept_forever = set()
    for name, tree in files():
        for function in constructors(tree):
            # Annotated as something to ask, it may be kept.
            asked = {
                one.arg
                for one in [*function.args.args, *function.args.kwonlyargs]
                if one.annotation is not None
                and {"Callable", "SettingsHolder", "SettingsInUse"}
                & set(re.findall(r"\w+", ast.unparse(one.annotation)))
            }
            for node in at_once(function):
                if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                    continue
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                what = last_name(node.value)
                if (
                    isinstance(target, ast.Attribute)
                    and isinstance(node.value, ast.Name | ast.Attribute)
                    and what in {"settings", *with_live_keys}
                    and what not in asked
                    and (name, target.attr) not in replaced
                ):
                    kept_forever.add((name, target.attr))
    assert kept_forever == set(KEPT)


def test_a_shorter_interval_is_heard_while_one_waits() -> None:
    asked = iter([3600.0, 3600.0, 0.0])
    asyncio.run(asyncio.wait_for(wait_at_most(3600.0, lambda: next(asked)), 60))
    assert next(asked, None) is None


def test_a_cache_that_is_switched_off_keeps_nothing() -> None:
    cache = CutCache(1 << 20)
    cache.put("one", Cut((Piece(0, np.zeros(1000, np.float32)),), 1000, 1000))
    assert cache.get("one") is not None
    cache.limit(0)
    assert cache.get("one") is None


def test_a_worker_is_told_what_auto_means_whatever_is_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """So that a reload can change log.format to auto."""
    monkeypatch.delenv(logs.ENV_FORMAT, raising=False)
    auto = logs.resolve_format("auto")
    other = "console" if auto == "json" else "json"
    settings = Settings.model_validate({"log": {"format": other}})
    environment = _environment(3, settings, is_cold=False)
    assert environment[logs.ENV_FORMAT] == auto
    assert os.environ.get(logs.ENV_FORMAT) is None
