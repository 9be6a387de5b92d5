"""The service with models of the real size, laid out as the published ones: weights drawn at random
(`tools/make_full_size_models.py`), so what is written means nothing; all else is as it is.

`FULL_SIZE_MODELS=DIRECTORY` names models made before; without it they are made: a minute or two,
2.1 GB.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sounds
from supervised import QUICK_START, ROOT, Service, wait_until

from seacod.client import Refused
from seacod.proving.processor import own_bytes
from seacod.proving.sounds import speech, wav
from seacod.transcript import Transcript

ASR = "speech_seaco_paraformer_large_asr_nat-zh-cn-16k-common-vocab8404-pytorch"
PUNCTUATION = "punc_ct-transformer_cn-en-common-vocab471067-large"
LONG = max(sounds.EXAMPLES, key=lambda one: float(one["seconds"]))
# The shortest example: one piece, whatever the machine does besides.
ONE_PIECE = str(min(sounds.EXAMPLES, key=lambda one: float(one["seconds"]))["file"])
LISTS = [
    "GPU驱动 5G",
    "transformer",
    "卡尔·马克思\n龘龘",
    "",
    "it's 今天",
    "天气 20\n明天 30",
    "Ω",
    "一二三",
]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = os.environ.get("FULL_SIZE_MODELS")
    directory = Path(made) if made else tmp_path_factory.mktemp("models")
    if not made:
        tool = ROOT / "tools" / "make_full_size_models.py"
        subprocess.run([sys.executable, str(tool), str(directory)], check=True, cwd=ROOT)
    yield directory


def asr(models: Path) -> dict[str, str]:
    """The section of the settings."""
    return {
        "model": str(models / ASR),
        "punctuation_model": str(models / PUNCTUATION),
        "device": "cpu",
        "tune": "off",
    }


@pytest.fixture(scope="module")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    one = Service(tmp_path_factory.mktemp("service"))
    one.configure(asr=asr(models))
    with one.running():
        yield one


def heard(service: Service, hotwords: str = "", name: str = str(LONG["file"])) -> Transcript:
    with service.client() as client:
        return client.transcribe(sounds.EXAMPLES_DIRECTORY / name, hotwords=hotwords)


def test_it_starts_and_the_same_recording_is_the_same_text(service: Service) -> None:
    # What is one piece is computed alone, however busy the machine is. Longer recordings come in
    # batches as they are decoded, and weights by chance turn a rounding into another character.
    texts = {heard(service, name=ONE_PIECE).text for _ in range(3)}
    assert len(texts) == 1
    first = heard(service)
    assert len(first.text) > 20
    tokens = [token for segment in first.segments for token in segment.tokens]
    assert any(len(token.text) > 1 and token.text.isascii() for token in tokens)
    # Words of several pieces have a confidence as any other.
    assert all(token.confidence is not None for token in tokens)
    assert all(segment.confidence is not None for segment in first.segments)
    starts = [token.start_seconds for token in tokens]
    assert starts == sorted(starts)


def test_its_memory_is_that_of_the_work_and_not_of_the_weights(service: Service) -> None:
    """Weights are pages of their files, 2.1 GB of them, which the kernel may drop."""
    heard(service)
    assert 0 < own_bytes(service.worker_pid()) < 0.6e9


def test_hotwords_with_english_are_what_the_model_can_write(service: Service) -> None:
    reports = heard(service, "GPU驱动 5G it's transformer 卡尔·马克思 12号 Ω").hotwords
    assert {one.word: one.status for one in reports if one.status != "matched"} == {
        "GPU驱动": "not_heard", "5G": "not_heard", "it's": "not_heard",
        "transformer": "not_heard", "卡尔·马克思": "not_heard", "12号": "not_heard",
        "Ω": "unknown_characters",
    }  # fmt: skip


def test_lists_that_share_batches_change_no_text(service: Service) -> None:
    alone = [heard(service, words).text for words in LISTS]
    with ThreadPoolExecutor(len(LISTS)) as clients:
        together = list(clients.map(lambda words: heard(service, words).text, LISTS))
    assert together == alone


def test_a_request_beyond_its_deadline_harms_nobody(
    service: Service, models: Path, tmp_path: Path
) -> None:
    right, pid = heard(service, name=ONE_PIECE).text, service.worker_pid()
    recording = tmp_path / "long.wav"
    recording.write_bytes(wav(speech(120.0), 1))

    def reload(**limits: float) -> None:
        told = len(service.events("settings_applied"))
        service.configure(asr=asr(models), limits=limits)
        service.signal(signal.SIGHUP)
        wait_until(lambda: len(service.events("settings_applied")) > told, "other limits")

    reload(request_timeout_seconds=1.0)
    with service.client() as client, pytest.raises(Refused) as refused:
        client.transcribe(recording)
    # Before it begins, when it is known how slow the model is; otherwise on the way.
    assert refused.value.status in (413, 504)
    reload()
    assert heard(service, name=ONE_PIECE).text == right
    assert service.worker_pid() == pid


def test_after_a_kill_the_next_text_is_the_same(service: Service) -> None:
    right = heard(service, name=ONE_PIECE).text
    pid = service.worker_pid()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: service.status_of("serving", other_than=pid), "another worker")
    assert heard(service, name=ONE_PIECE).text == right


def test_benches_take_it(models: Path) -> None:
    command = [sys.executable, "-m", "seacod", "bench", "hotwords", "--json", "--model",
               str(models / ASR), "--clients", "2", "--seconds", "1", "--rounds", "1"]  # fmt: skip
    done = subprocess.run(
        command, check=True, capture_output=True, cwd=ROOT, env={**os.environ, **QUICK_START}
    )
    found = json.loads(done.stdout)
    assert [one["lists"] for one in found[ASR]["figures"]] == ["none", "one for all", "one each"]
    assert all(one["audio_per_second"] > 0 for one in found[ASR]["figures"])
    assert not any(one["errors"] for one in found[ASR]["figures"])


def test_the_first_hour_on_a_gpu_is_one_command(models: Path, tmp_path: Path) -> None:
    """Its first steps: what needs a GPU says that there is none."""
    command = [ROOT / "tools/gpu_day", "--steps", "install", "load", "--output", tmp_path]
    subprocess.run(
        command, check=True, capture_output=True, cwd=ROOT,
        env={**os.environ, "PYTHON": sys.executable, "SEACOD_FULL_SIZE": str(models)},
    )  # fmt: skip
    steps = json.loads((tmp_path / "gpu.json").read_text("utf-8"))["steps"]
    assert steps["install"]["state"] in ("skipped", "done")
    assert steps["load"]["state"] == "done"
    assert (tmp_path / "gpu.md").read_text("utf-8")
