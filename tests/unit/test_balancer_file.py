"""What `seacod haproxy` prints: taken from what the nodes tell, and taken by HAProxy."""

from __future__ import annotations

import argparse
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from seacod.cli import haproxy
from seacod.cli.balancing import Balanced, Balancer, most_at_once, rendered
from seacod.client.answers import System, read_system
from seacod.errors import BadRequest


def told(workers: int = 1, *, shares_jobs: bool = False) -> System:
    limits = {"concurrent_requests": 8, "queue_length": 20}
    body: dict[str, Any] = dict.fromkeys(
        ("model", "device", "in_flight", "queue_depth", "live_sessions", "versions")
    )
    body |= {"limits": limits, "service": {"workers": workers}, "shares_jobs": shares_jobs}
    return read_system(body)


def printed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    nodes: dict[str, System],
    *options: str,
) -> str:
    monkeypatch.setattr(haproxy, "_ask", lambda url, key: nodes[url.removeprefix("http://")])
    parser = argparse.ArgumentParser()
    haproxy.add(parser)
    assert haproxy.run(parser.parse_args([*nodes, *options])) == 0
    return capsys.readouterr().out


def test_each_node_is_given_what_it_has_places_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(monkeypatch, capsys, {"a:7860": told(1), "b:7860": told(4)})
    # A quarter of 28 and of 52 places is for who comes past HAProxy's queue.
    assert "server node1 a:7860 maxconn 21 weight 21" in text
    assert "server node2 b:7860 maxconn 39 weight 39" in text


def test_batches_stay_with_their_node_unless_all_share_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    apart = {"a:7860": told(), "b:7860": told()}
    shared = {name: told(shares_jobs=True) for name in apart}
    assert "backend seacod_jobs" in printed(monkeypatch, capsys, apart)
    assert "seacod_jobs" not in printed(monkeypatch, capsys, shared)
    with pytest.raises(BadRequest, match="b:7860: has no results.database"):
        printed(monkeypatch, capsys, {**shared, "b:7860": told()})


@pytest.mark.parametrize(
    "wrong", [["--places", "0"], ["--queue-seconds", "-1"], ["--bind", ":80\nbackend x"]]
)
def test_what_cannot_be_meant_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: list[str]
) -> None:
    with pytest.raises(BadRequest):
        printed(monkeypatch, capsys, {"a:7860": told()}, *wrong)


def test_a_node_that_does_not_answer_is_named_with_what_to_do() -> None:
    with pytest.raises(BadRequest, match=r"127\.0\.0\.1:1 does not tell its limits.*--places"):
        haproxy._ask("http://127.0.0.1:1", None)


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="apt-get install haproxy")
@pytest.mark.parametrize("shares", [False, True])
def test_haproxy_takes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shares: bool) -> None:
    file = tmp_path / "haproxy.cfg"
    nodes = [Balanced("10.0.0.1:7860", 4000), Balanced("[fd00::2]:7860", 1)]
    for language in ("C.UTF-8", "zh_CN.UTF-8"):
        monkeypatch.setenv("LC_ALL", language)
        file.write_text(rendered(Balancer(nodes, shares, ":7800", "", 60)), "utf-8")
        done = subprocess.run(
            ["haproxy", "-c", "-f", str(file)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "WARN" not in done.stderr.upper()
    assert most_at_once(1) == 1


def test_every_server_ends_an_upload_into_a_node_that_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """HAProxy 2.6 does not take tcp-ut from default-server."""
    text = printed(monkeypatch, capsys, {"a:7860": told(1), "b:7860": told(4)})
    servers = [line for line in text.splitlines() if line.split()[:1] == ["server"]]
    assert len(servers) == 6
    assert all(line.endswith(" tcp-ut 30s") for line in servers), servers
