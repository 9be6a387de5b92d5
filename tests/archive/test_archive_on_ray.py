"""Archives on a real Ray: `--ray local` as it is typed, and a cluster of two nodes of which one is
killed half way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import soundfile
import sounds
from supervised import PATIENCE_SECONDS, ROOT, fetch, free_port, wait_until

pytestmark = pytest.mark.timeout(900)

RAY = Path(sys.executable).parent / "ray"
HERE = Path(__file__).parent
FILES = 300


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = tmp_path_factory.mktemp("home")
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{HERE}",
        # The engines' own: models, the token of the cluster.
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        # Few recordings: measuring which batches are quickest would take longer than all of them.
        "SEACOD_ASR_TUNE": "off",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Of `dying_actor.py`, which looks there in each process that a node starts.
        "ARCHIVE_PLAN": json.dumps({"file": f"{home}/plan.json"}),
        "LANG": "C.UTF-8",
    }


def typed(environment: dict[str, str], *words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seacod", "transcribe", *map(str, words)],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def manifest(output: Path) -> dict[str, dict[str, Any]]:
    """By name; a name that comes twice is an error of the manifest."""
    rows = [json.loads(line) for line in (output / "manifest.jsonl").read_text().splitlines()]
    found = {row["name"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def texts(output: Path) -> dict[str, str]:
    return {
        str(path.relative_to(output)): path.read_text().strip() for path in output.rglob("*.txt")
    }


class Cluster:
    """Ray nodes on this machine, a core each."""

    def __init__(self, environment: dict[str, str], logs: Path) -> None:
        self.port = free_port()
        self._environment = environment
        self._logs = logs
        self.nodes: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def add(self) -> None:
        """Start one more node; the first is the head."""
        where = (
            ["--head", f"--port={self.port}", "--include-dashboard=false"]
            if not self.nodes
            else [f"--address={self.address}"]
        )
        log = self._logs / f"node{len(self.nodes)}.log"
        self.nodes.append(
            subprocess.Popen(
                [RAY, "start", *where, "--num-cpus=1", "--block", "--disable-usage-stats",
                 "--object-store-memory=200000000"],
                env=self._environment, stdout=log.open("wb"), stderr=subprocess.STDOUT,
            )
        )  # fmt: skip
        wait_until(
            lambda: "Ray runtime started" in log.read_text(), lambda: f"a node: {log.read_text()}"
        )

    def wait_for_all(self) -> None:
        """Wait until the head knows of all of them. Each look is a process that imports Ray."""
        wait_until(lambda: self._joined() == len(self.nodes), "all nodes")

    def _joined(self) -> int:
        told = subprocess.run(
            [
                sys.executable, "-c",
                "import ray, sys; ray.init(address=sys.argv[1], logging_level='ERROR', "
                "log_to_driver=False); print(sum(n['Alive'] for n in ray.nodes()))",
                self.address,
            ],
            env=self._environment, capture_output=True, text=True, check=False,
        ).stdout.split()  # fmt: skip
        return int(told[-1]) if told else 0

    def kill(self, number: int) -> None:
        """As a machine goes down: everything of the node at once."""
        node = psutil.Process(self.nodes[number].pid)
        for process in [*node.children(recursive=True), node]:
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.nodes[number].wait()


@pytest.fixture(scope="module")
def cluster(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """One node, the head, for all tests here: a Ray of one's own costs more than most of them."""
    one = Cluster(environment, tmp_path_factory.mktemp("ray"))
    try:
        one.add()
        yield one
    finally:
        for number in reversed(range(len(one.nodes))):
            if one.nodes[number].poll() is None:
                one.kill(number)


def test_an_archive_on_this_machine_and_again_on_a_cluster(
    tmp_path: Path, cluster: Cluster, environment: dict[str, str]
) -> None:
    archive, output = tmp_path / "archive", tmp_path / "texts"
    (archive / "sub").mkdir(parents=True)
    for place in ("one.flac", "two.flac", "sub/three.flac"):
        shutil.copy(sounds.SPEECH, archive / place)
    (archive / "broken.wav").write_bytes(b"no sound at all")
    done = typed(environment, archive, "-o", output, "--ray", "local")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "broken.wav: the file is not audio" in done.stderr
    right = dict.fromkeys(("one.txt", "two.txt", "sub/three.txt"), sounds.SPEECH_TEXT)
    assert texts(output) == right
    states = {name: row["state"] for name, row in manifest(output).items()}
    assert states == {
        "one.flac": "done", "two.flac": "done", "sub/three.flac": "done", "broken.wav": "failed",
    }  # fmt: skip
    told = json.loads(done.stdout)
    assert told["files"] == {"done": 3, "failed": 1}
    assert sum(node["files"] for node in told["nodes"].values()) == 4

    # Again: what has a text and the same content is not heard; what changed, and what failed, is.
    written = {path: path.stat().st_mtime_ns for path in output.rglob("*.txt")}
    shutil.copy(sounds.EXAMPLES_DIRECTORY / sounds.EXAMPLES[1]["file"], archive / "two.flac")
    shutil.copy(sounds.SPEECH, archive / "broken.wav")
    # Through a list and fsspec this time, as from an object store.
    listed = tmp_path / "list.csv"
    rows = [f"file://{archive}/{name},"
            for name in ("one.flac", "two.flac", "sub/three.flac", "broken.wav")]  # fmt: skip
    listed.write_text("path,hotwords\n" + "\n".join(rows) + "\n")
    again = typed(environment, archive, "-o", output, "--ray", cluster.address)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["files"] == {"done": 2, "skipped": 2}
    assert texts(output) == {
        **right, "two.txt": sounds.EXAMPLES[1]["text"], "broken.txt": sounds.SPEECH_TEXT,
    }  # fmt: skip
    assert (output / "one.txt").stat().st_mtime_ns == written[output / "one.txt"]
    elsewhere = f"file://{tmp_path}/elsewhere"
    by_list = typed(environment, listed, "-o", elsewhere, "--ray", cluster.address,
                    "--format", "srt")  # fmt: skip
    assert by_list.returncode == 0, by_list.stderr
    heard = list((tmp_path / "elsewhere").rglob("*.srt"))
    assert len(heard) == 4
    assert all("-->" in path.read_text() for path in heard)
    assert len(manifest(tmp_path / "elsewhere")) == 4


def test_recordings_of_another_server_are_read_where_they_are_heard(
    tmp_path: Path, cluster: Cluster, environment: dict[str, str]
) -> None:
    there, output = tmp_path / "there", tmp_path / "texts"
    (there / "sub").mkdir(parents=True)
    for place in ("one.flac", "sub/two.flac"):
        shutil.copy(sounds.SPEECH, there / place)
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"],
        cwd=there, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as server:  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}/"
            wait_until(lambda: answers(url), "the other server")
            done = typed(environment, url, "-o", output, "--ray", cluster.address)
            assert done.returncode == 0, done.stderr
            assert texts(output) == dict.fromkeys(("one.txt", "sub/two.txt"), sounds.SPEECH_TEXT)
            again = typed(environment, url, "-o", output, "--ray", cluster.address)
            assert json.loads(again.stdout)["files"] == {"skipped": 2}
            # One that is named and not there is told, and is nobody's death.
            listed = tmp_path / "list.jsonl"
            listed.write_text(json.dumps(f"{url}none.flac") + "\n")
            lost = typed(environment, listed, "-o", output, "--ray", cluster.address)
            assert lost.returncode == 1
            assert "none.flac: " in lost.stderr
            assert "there is no such file" in lost.stderr
        finally:
            server.kill()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_wrong_use_gets_a_sentence(tmp_path: Path, environment: dict[str, str]) -> None:
    nowhere = typed(environment, sounds.SPEECH, "-o", tmp_path, "--ray", f"127.0.0.1:{free_port()}")
    assert nowhere.returncode != 0
    assert "no Ray cluster answers" in nowhere.stderr
    assert "Traceback" not in nowhere.stderr
    without = typed(environment, sounds.SPEECH, "--ray", "local")
    assert "--ray needs -o" in without.stderr


# -- two nodes --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_nodes(cluster: Cluster) -> Cluster:
    """The same with one more, which the last test kills."""
    cluster.add()
    cluster.wait_for_all()
    return cluster


def test_a_file_that_kills_its_engine_is_set_aside_and_the_rest_goes_on(
    tmp_path: Path, two_nodes: Cluster, environment: dict[str, str]
) -> None:
    archive, output = tmp_path / "archive", tmp_path / "texts"
    archive.mkdir()
    for name in ("a", "b", "c", "d", "e", "unlucky", "venom"):
        shutil.copy(sounds.SPEECH, archive / f"{name}.flac")
    plan = Path(json.loads(environment["ARCHIVE_PLAN"])["file"])
    plan.write_text(json.dumps({"poison": "venom", "once": "unlucky", "mark": f"{tmp_path}/mark"}))
    done = subprocess.run(
        [sys.executable, HERE / "dying_actor.py", two_nodes.address, archive, output],
        env=environment, capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    states = {name: row["state"] for name, row in manifest(output).items()}
    assert states.pop("venom.flac") == "poison"
    assert set(states.values()) == {"done"}
    assert len(states) == 6
    assert "venom.flac: the engine died 2 times" in done.stderr
    assert set(texts(output).values()) == {sounds.SPEECH_TEXT}


def recordings(directory: Path) -> dict[str, str]:
    """Hundreds of different ones, and what is said in each."""
    directory.mkdir()
    said = {}
    examples = [one for one in sounds.EXAMPLES if one["file"].startswith("sentence")]
    voices = [soundfile.read(sounds.EXAMPLES_DIRECTORY / one["file"])[0] for one in examples]
    for number in range(FILES):
        which = number % len(examples)
        # Silence at the end, of a length that no other one has.
        sound = np.concatenate([voices[which], np.zeros(1 + number)])
        soundfile.write(directory / f"{number:04}.flac", sound, 16_000)
        said[f"{number:04}.txt"] = examples[which]["text"]
    return said


def test_hundreds_of_files_on_two_nodes_of_which_one_is_killed(
    tmp_path: Path, two_nodes: Cluster, environment: dict[str, str]
) -> None:
    said, output = recordings(tmp_path / "archive"), tmp_path / "texts"
    port = free_port()
    command = [sys.executable, "-m", "seacod", "transcribe", tmp_path / "archive", "-o", output,
               "--ray", two_nodes.address, "--metrics-port", str(port)]  # fmt: skip
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as archive:
        try:
            wait_until(
                lambda: sum(1 for _ in output.glob("*.txt")) > FILES // 2,
                "the half",
                patience_seconds=500,
            )
            metrics = fetch(f"http://127.0.0.1:{port}/metrics")[2].decode()
            two_nodes.kill(1)
            told, errors = archive.communicate(timeout=600)
        finally:
            archive.kill()
    assert archive.returncode == 0, errors
    # Every file has exactly one right result.
    assert texts(output) == said
    rows = manifest(output)
    assert {row["state"] for row in rows.values()} == {"done"}
    assert len(rows) == FILES
    summary = json.loads(told)
    print(summary)
    assert summary["engine_deaths"] >= 1
    assert len(summary["nodes"]) == 2
    assert all(node["files"] > 0 for node in summary["nodes"].values())
    assert metrics.count("seacod_bulk_audio_hours_per_hour{") == 2
    assert 'seacod_bulk_files_total{state="done"}' in metrics
