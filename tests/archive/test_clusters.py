"""What is said of a cluster that cannot be used; without one."""

from __future__ import annotations

import platform
from types import SimpleNamespace

import pytest
import ray
from ray._private import utils

from seacod import __version__
from seacod.archive import cluster_token
from seacod.archive.cluster import other_python, other_seacod
from seacod.archive.command import _places
from seacod.config.load import load_settings
from seacod.config.schema import Settings
from seacod.errors import EX_CONFIG, BadRequest, ConfigError


@pytest.mark.parametrize("versions", [("2.9.0", platform.python_version()),
                                      (ray.__version__, "3.9.2")])  # fmt: skip
def test_another_ray_or_python_is_named_with_both_versions(versions: tuple[str, str]) -> None:
    theirs = dict(zip(("ray_version", "python_version"), versions, strict=True))
    # Ray's own words: they are not a part of what it promises.
    with pytest.raises(RuntimeError) as refused:
        utils.check_version_info(theirs, "node 10.0.0.1")
    said = other_python("10.0.0.1:6379", str(refused.value))
    assert said is not None
    assert said.exit_code == EX_CONFIG
    for sentence in said.words:
        assert all(version in sentence for version in versions)
        assert ray.__version__ in sentence
        assert platform.python_version() in sentence
    assert "install the same of both" in said.message


def test_any_other_failure_is_not_taken_for_that() -> None:
    assert other_python("auto", "Could not find any running Ray instance.") is None


def test_a_node_with_another_seacod_or_none_is_named_with_both_versions() -> None:
    other, none = other_seacod("host-b", "0.0.9"), other_seacod("host-b", "")
    for sentence in (*other.words, *none.words):
        assert "host-b" in sentence
        assert __version__ in sentence
    assert all("0.0.9" in sentence for sentence in other.words)
    assert "has no seacod" in none.message
    assert other.exit_code == EX_CONFIG


@pytest.mark.parametrize(("wants", "asked", "mode"), [
    # Shown where none is wanted, Ray waits for engines for good.
    (False, "", "disabled"),
    (False, "disabled", "disabled"),
    (True, "", "token"),
    (True, "token", "token"),
])  # fmt: skip
def test_the_token_is_shown_where_it_is_wanted_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, *, wants: bool, asked: str, mode: str
) -> None:
    refuse(monkeypatch, "disabled" if wants else "nobody")
    assert cluster_token._mode("auto", "10.0.0.1:6379", asked) == mode


@pytest.mark.parametrize(("wants", "asked", "said"), [
    (False, "token", "the cluster was started without tokens"),
    (True, "disabled", "RAY_AUTH_MODE=disabled is set here; unset it"),
])  # fmt: skip
def test_a_mode_that_is_not_the_clusters_is_named(
    monkeypatch: pytest.MonkeyPatch, *, wants: bool, asked: str, said: str
) -> None:
    refuse(monkeypatch, "disabled" if wants else "nobody")
    with pytest.raises(ConfigError, match=said):
        cluster_token._mode("auto", "10.0.0.1:6379", asked)


def refuse(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """A cluster that refuses who comes like that; with a real one each case is a start of Ray."""
    monkeypatch.setattr(cluster_token, "_is_refused", lambda _, asked: asked == mode)
    monkeypatch.setattr(cluster_token, "_has_token", lambda: True)


def test_an_engine_has_all_its_cores_on_one_node() -> None:
    nodes = [
        {"Alive": True, "Resources": {"CPU": 3.0}},
        {"Alive": True, "Resources": {"CPU": 1.0}},
        {"Alive": False, "Resources": {"CPU": 64.0}},
        {"Alive": True, "Resources": {}},
    ]
    there = SimpleNamespace(nodes=lambda: nodes)
    settings = load_settings(None, default_file=None)

    def with_threads(count: int) -> Settings:
        return settings.model_copy(
            update={"asr": settings.asr.model_copy(update={"cpu_threads": count})}
        )

    assert _places(there, with_threads(1)) == (4, {"num_cpus": 1})
    assert _places(there, with_threads(2)) == (1, {"num_cpus": 2})
    with pytest.raises(BadRequest, match="no GPU, and no node with 4 cores"):
        _places(there, with_threads(4))
    nodes[1]["Resources"] = {"CPU": 1.0, "GPU": 2.0}
    assert _places(there, with_threads(4)) == (2, {"num_gpus": 1, "num_cpus": 0})
