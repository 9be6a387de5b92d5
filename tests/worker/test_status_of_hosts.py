"""`seacod status --host`: several services at a glance, of which some do not answer."""

from __future__ import annotations

import json
import subprocess

import typed
from supervised import Service, free_port


def status(*arguments: str) -> subprocess.CompletedProcess[str]:
    done = typed.seacod("status", *arguments)
    assert "Traceback" not in done.stderr
    return done


def test_all_of_them_serve(live: Service) -> None:
    here = f"127.0.0.1:{live.port}"
    done = status("--host", f"{here},{live.url}")
    assert done.returncode == 0, done.stdout
    head, *rows, last = done.stdout.splitlines()
    assert head.split()[:3] == ["host", "state", "model"]
    assert [row.split()[:4] for row in rows] == [
        [here, "serving", "builtin", "cpu"], [live.url, "serving", "builtin", "cpu"],
    ]  # fmt: skip
    assert last.startswith("2 of 2 serve; ")


def test_who_does_not_answer_is_named_and_the_rest_is_told(live: Service) -> None:
    nobody, no_seacod = f"127.0.0.1:{free_port()}", live.metrics_url.removesuffix("/metrics")
    done = status("--json", "--host", f"127.0.0.1:{live.port}, {nobody} ,{no_seacod}")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["serving"] == 1
    assert [one["state"] for one in told["hosts"]] == ["serving", "unreachable", "unknown"]
    assert told["hosts"][1]["host"] == nobody
    assert "is not seacod" in told["hosts"][2]["remark"]
    assert isinstance(told["hosts"][0]["restarts"], int)


def test_what_is_no_host() -> None:
    done = status("--host", "a,b c")
    assert done.returncode == 1
    assert "--host b c: is not a host; write NAME, NAME:PORT" in done.stderr
