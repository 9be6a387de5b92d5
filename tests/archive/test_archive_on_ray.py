"""Archives on a real Ray: `--ray local` as it is typed, and a cluster as docs/scale.md has it, with
a token, of two nodes of which one is killed half way."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
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

from seacod import __version__
from seacod.archive.sending import PIECE_BYTES, WHOLE_BYTES
from seacod.errors import EX_CONFIG, EX_INTERRUPTED, EX_UNAVAILABLE

pytestmark = pytest.mark.timeout(900)

RAY = Path(sys.executable).parent / "ray"
HERE = Path(__file__).parent
FILES = 300


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    home = tmp_path_factory.mktemp("home")
    (home / "tmp").mkdir()
    # Short: Ray's sockets are in it.
    ray = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    yield {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{HERE}",
        # The engines' own: models, the token of the cluster.
        "HOME": str(home),
        "XDG_STATE_HOME": str(home / "state"),
        # Where engines have recordings, and where Ray has all that it keeps.
        "TMPDIR": str(home / "tmp"),
        "RAY_TMPDIR": ray,
        # Few recordings: measuring which batches are quickest would take longer than all of them.
        "SEACOD_ASR_TUNE": "off",
        "RAY_USAGE_STATS_ENABLED": "0",
        # Of `dying_actor.py`, which looks there in each process that a node starts.
        "ARCHIVE_PLAN": json.dumps({"file": f"{home}/plan.json"}),
        "LANG": "C.UTF-8",
    }
    shutil.rmtree(ray, ignore_errors=True)


def typed(
    environment: dict[str, str], *words: str | Path, **other: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "seacod", "transcribe", *map(str, words)],
        # Elsewhere: where Ray finds the directory of whoever types, engines would import from it.
        env={**environment, **other}, cwd=environment["HOME"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def left_by_engines(environment: dict[str, str]) -> list[Path]:
    return list(Path(environment["TMPDIR"]).iterdir())


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
        self._environment = {**environment, "RAY_AUTH_MODE": "token"}
        self._logs = logs
        self.nodes: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def add(self, **other: str) -> None:
        """Start one more node; the first is the head.

        Args:
            other: in its environment.
        """
        if not self.nodes:
            subprocess.run(
                [RAY, "get-auth-token", "--generate"], env=self._environment, check=True,
                capture_output=True,
            )  # fmt: skip
        where = (
            ["--head", f"--port={self.port}", "--include-dashboard=false"]
            if not self.nodes
            else [f"--address={self.address}"]
        )
        log = self._logs / f"node{len(self.nodes)}.log"
        self.nodes.append(
            subprocess.Popen(
                [RAY, "start", *where, "--num-cpus=1", "--block", "--disable-usage-stats",
                 "--object-store-memory=200000000", "--min-worker-port=0", "--max-worker-port=0"],
                env={**self._environment, **other}, stdout=log.open("wb"), stderr=subprocess.STDOUT,
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
    (archive / "录音").mkdir()
    # As Chinese archives have them, the last one from a zip of a Windows.
    chinese = "录音/会议 1#.flac"
    shutil.copy(sounds.SPEECH, os.fsencode(archive) + b"/\xbb\xe1.flac")
    for place in ("one.flac", "two.flac", "sub/three.flac", chinese):
        shutil.copy(sounds.SPEECH, archive / place)
    (archive / "broken.wav").write_bytes(b"no sound at all")
    done = typed(environment, archive, "-o", output, "--ray", "local")
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "broken.wav: the file is not audio" in done.stderr
    gbk = os.fsdecode(b"\xbb\xe1.flac")
    right = dict.fromkeys(
        ("one.txt", "two.txt", "sub/three.txt", "录音/会议 1#.txt", gbk.replace("flac", "txt")),
        sounds.SPEECH_TEXT,
    )
    assert texts(output) == right
    states = {name: row["state"] for name, row in manifest(output).items()}
    assert states == {
        "one.flac": "done", "two.flac": "done", "sub/three.flac": "done", "broken.wav": "failed",
        chinese: "done", gbk: "done",
    }  # fmt: skip
    told = json.loads(done.stdout)
    assert told["files"] == {"done": 5, "failed": 1}
    assert sum(node["files"] for node in told["nodes"].values()) == 6

    # Again: what has a text and the same content is not heard; what changed, and what failed, is.
    written = {path: path.stat().st_mtime_ns for path in output.rglob("*.txt")}
    shutil.copy(sounds.EXAMPLES_DIRECTORY / sounds.EXAMPLES[1]["file"], archive / "two.flac")
    shutil.copy(sounds.SPEECH, archive / "broken.wav")
    # This one travels in pieces.
    voice, rate = soundfile.read(sounds.SPEECH)
    long = np.concatenate([voice, np.zeros(rate * 60), voice])
    soundfile.write(archive / "long.wav", np.column_stack([long] * 4), rate, "PCM_16")
    assert (archive / "long.wav").stat().st_size > WHOLE_BYTES + PIECE_BYTES
    # Through a list and fsspec this time, as from an object store.
    listed = tmp_path / "list.csv"
    rows = [f"file://{archive}/{name},"
            for name in ("one.flac", "two.flac", "sub/three.flac", "broken.wav")]  # fmt: skip
    listed.write_text("path,hotwords\n" + "\n".join(rows) + "\n")
    again = typed(environment, archive, "-o", output, "--ray", "auto")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["files"] == {"done": 3, "skipped": 4}
    long_text = texts(output).pop("long.txt")
    assert long_text.count(sounds.SPEECH_TEXT) == 2, long_text
    assert texts(output) == {
        **right, "two.txt": sounds.EXAMPLES[1]["text"], "broken.txt": sounds.SPEECH_TEXT,
        "long.txt": long_text,
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
    assert nowhere.returncode == EX_UNAVAILABLE
    assert "no Ray cluster answers" in nowhere.stderr
    assert "Traceback" not in nowhere.stderr
    without = typed(environment, sounds.SPEECH, "--ray", "local")
    assert "--ray needs -o" in without.stderr


@pytest.mark.parametrize(("token", "said"), [
    (None, "the cluster wants its token, and there is none here"),
    ("of another cluster", "the cluster does not accept the token of this machine"),
])  # fmt: skip
def test_a_token_that_is_missing_or_wrong_is_named(
    tmp_path: Path, cluster: Cluster, environment: dict[str, str], token: str | None, said: str
) -> None:
    if token is not None:
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray/auth_token").write_text(token)
    refused = typed(
        environment, sounds.SPEECH, "-o", tmp_path / "out", "--ray", cluster.address,
        HOME=str(tmp_path),
    )  # fmt: skip
    assert refused.returncode == EX_CONFIG, refused.stderr
    (sentence,) = refused.stderr.splitlines()
    assert sentence.startswith(f"seacod: --ray {cluster.address}: {said}")


# What Ray compares with its own; it is put back at the end of the input.
ANOTHER_PYTHON = """
import json, sys
from ray._common.usage import usage_constants, usage_lib
from ray._private.ray_constants import KV_NAMESPACE_CLUSTER
from ray._raylet import GcsClient
head = GcsClient(address=sys.argv[1], cluster_id=None)
right = usage_lib.get_cluster_metadata(head)
def put(told):
    head.internal_kv_put(usage_constants.CLUSTER_METADATA_KEY, json.dumps(told).encode(), True,
                         namespace=KV_NAMESPACE_CLUSTER)
put({**right, "python_version": "3.9.2"})
print("put", flush=True)
sys.stdin.read()
put(right)
"""


def test_a_cluster_with_another_python_is_named(
    tmp_path: Path, cluster: Cluster, environment: dict[str, str]
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ANOTHER_PYTHON, cluster.address], text=True,
        env={**environment, "RAY_AUTH_MODE": "token"},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as pretender:  # fmt: skip
        assert pretender.stdout is not None
        assert pretender.stdout.readline() == "put\n"
        refused = typed(
            environment, sounds.SPEECH, "-o", tmp_path / "out", "--ray", cluster.address
        )
    assert pretender.returncode == 0
    assert refused.returncode == EX_CONFIG, refused.stderr
    (sentence,) = refused.stderr.splitlines()
    assert " on Python 3.9.2, this machine Ray " in sentence


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
    # Five engines were killed with recordings in their files.
    wait_until(lambda: not left_by_engines(environment), lambda: f"{left_by_engines(environment)}")


def test_ctrl_c_says_how_to_go_on_and_leaves_nothing_behind(
    tmp_path: Path, two_nodes: Cluster, environment: dict[str, str]
) -> None:
    archive, output = tmp_path / "archive", tmp_path / "texts"
    archive.mkdir()
    for name in ("a", "b", "held"):
        shutil.copy(sounds.SPEECH, archive / f"{name}.flac")
    plan = Path(json.loads(environment["ARCHIVE_PLAN"])["file"])
    plan.write_text(json.dumps({"hold": "held"}))
    with subprocess.Popen(
        [sys.executable, HERE / "dying_actor.py", two_nodes.address, archive, output],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as archiving:  # fmt: skip
        try:
            wait_until(lambda: len(texts(output)) == 2, "what is not held")
            assert left_by_engines(environment)
            assert engines(two_nodes)
            # As a terminal sends it, and as people press it.
            for _ in range(2):
                os.killpg(archiving.pid, signal.SIGINT)
            told, errors = archiving.communicate(timeout=PATIENCE_SECONDS)
        finally:
            archiving.kill()
    assert archiving.returncode == EX_INTERRUPTED, errors
    assert errors.splitlines()[-1].startswith("stopped; the same command goes on where it stopped")
    assert "Traceback" not in errors
    assert not told
    wait_until(lambda: not engines(two_nodes), "no engine")
    wait_until(lambda: not left_by_engines(environment), "no file")
    again = typed(environment, archive, "-o", output, "--ray", two_nodes.address)
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["files"] == {"done": 1, "skipped": 2}


def engines(cluster: Cluster) -> list[str]:
    """Command lines of what engines consist of, on all nodes."""
    found = []
    for node in cluster.nodes:
        for process in psutil.Process(node.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                line = " ".join(process.cmdline())
                if "ray::Mortal" in line or "seacod.asr.decoder" in line:
                    found.append(line)
    return found


def test_a_node_with_another_seacod_is_named_before_anything_is_heard(
    tmp_path: Path, two_nodes: Cluster, environment: dict[str, str]
) -> None:
    (tmp_path / "seacod").mkdir()
    (tmp_path / "seacod/__init__.py").write_text('__version__ = "0.0.9"\n')
    two_nodes.add(PYTHONPATH=str(tmp_path))
    try:
        two_nodes.wait_for_all()
        refused = typed(
            environment, sounds.SPEECH, "-o", tmp_path / "out", "--ray", two_nodes.address
        )
    finally:
        two_nodes.kill(2)
        two_nodes.nodes.pop()
    assert refused.returncode == EX_CONFIG, refused.stderr
    (sentence,) = refused.stderr.splitlines()
    assert f" has seacod 0.0.9 on Python {platform.python_version()}, this machine " in sentence
    assert f"this machine {__version__} on" in sentence
    assert not texts(tmp_path / "out")


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
