"""What is said of a cluster that cannot be used; without one."""

from __future__ import annotations

import platform

import pytest
import ray
from ray._private import utils

from seacod import __version__
from seacod.archive import cluster_token
from seacod.archive.cluster import other_python, other_seacod
from seacod.errors import EX_CONFIG, ConfigError


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
