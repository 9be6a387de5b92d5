"""Whoever reads Chinese is told in Chinese, whoever reads English in English, and nobody half and
half: what is wrong with a configuration, what the operating system says, what a start is at."""

from __future__ import annotations

import ast
import errno
import json
import os
import re
import sqlite3
import ssl
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from simulated_clock import Clock

import seacod
from seacod.alerts import compose
from seacod.alerts.channels.registry import all_channels
from seacod.alerts.kinds import KINDS
from seacod.cli import alerts as alerts_command
from seacod.cli.main import main
from seacod.cli.status import lines
from seacod.client.status_shape import completed
from seacod.config.alerts import AlertSettings
from seacod.config.keys import leaves
from seacod.config.load import load_settings
from seacod.config.reach import check
from seacod.config.schema import SECTIONS
from seacod.errors import EX_CONFIG, EX_UNAVAILABLE, ConfigError, SeacodError
from seacod.paths import Paths
from seacod.protocol import Beat
from seacod.proving.checks import registry
from seacod.proving.checks.context import CheckContext
from seacod.speaker_encoders.registry import all_encoders
from seacod.supervisor.clock import Moment
from seacod.supervisor.sockets.fallback import Fallback
from seacod.supervisor.status_text import start_progress, status_text
from seacod.supervisor.watch.evidence import gather
from seacod.supervisor.workers.exits import STUCK, classify, stopped
from seacod.supervisor.workers.liveness import Ailment
from seacod.supervisor.workers.report import Report
from seacod.supervisor.workers.states import ServiceState
from seacod.system.text.words import NOTHING, Words, reason

PACKAGE = Path(seacod.__file__).parent
# Who says what a start is at, and why a worker ended.
_SAID_BY = (
    "asr/preparation.py", "worker/startup.py", "supervisor/workers/exits.py",
    "supervisor/workers/liveness.py", "supervisor/workers/worker.py",
)  # fmt: skip
# Sentences are what is left without names, addresses, keys, units, and what stands in quotes.
_NAMES = re.compile(
    r"'[^']*'|\"[^\"]*\"|\S*[/\\.:=_-]\S*|[A-Z]\S*|"
    r"\b(?:seacod|config|show|example|root|sudo|auto|"
    r"cpu|cuda|none|builtin|unix|int|str|s|or|model|page|check|chmod|chown|"
    r"mkdir|access|key|user|pip|install|yes|no|on|off|localhost|ss|systemctl|start|reload|"
    r"journalctl|alerts|mail|file|server|port|server|limits|results|outgoing|asr|log|many|"
    r"paraformer|silero|kill|fetch|nobody|loud|du|sort|iic|df|ip|x|ok|warn|fail|restart|postgresql|"
    r"mysql|status|up|pid|" + "|".join(one.name for one in all_encoders()) + r")\b"
)
_CHINESE = re.compile(r"[\u3400-\u9fff]")


def english_words(text: str) -> list[str]:
    """The English words of a sentence that should have none."""
    return re.findall(r"(?<![A-Za-z0-9])[a-z]{2,}(?![A-Za-z0-9])", _NAMES.sub(" ", text))


def assert_both(error: SeacodError) -> None:
    assert len(error.message.splitlines()) == len(error.chinese.splitlines())
    assert not _CHINESE.search(error.message), error.message
    for line in error.chinese.splitlines():
        assert _CHINESE.search(line), line
        assert english_words(line) == [], line


WRONG = (
    "server:\n  prot: 1\n",
    "nothing: 1\n",
    "server: 7\n",
    "- a\n",
    "server: [1, 2\n",
    "server:\n  port: 1\n  port: 2\n",
    "server:\n  port:\n",
    "server:\n  port: 0755\n",
    "server:\n  port: many\n",
    "server:\n\tport: 1\n",
    "server:\n  host: a: b\n",
    "server:\n  host: 'a\n",
    "server:\n  listen: [::]:7860\n",
    "server:\n  listen: 1.2.3.4\n",
    "server:\n  listen: '::1:7860'\n",
    "server:\n  listen: '[x]:7860'\n",
    "server:\n  listen: 0.0.0.0:99999\n",
    "server:\n  listen: 0.0.0.0:1 0.0.0.0:1\n",
    "server:\n  listen: unix:/a/\n",
    "server:\n  root_path: asr/\n",
    "server:\n  trusted_proxies: nowhere\n",
    "server:\n  port: 8000\n",
    "server:\n  funasr_port: 7860\n",
    "supervisor:\n  workers: many\n",
    "supervisor:\n  workers: 2\nasr:\n  device: cuda:1\n",
    "supervisor:\n  backoff_initial_seconds: 9\n  backoff_max_seconds: 3\n",
    "asr:\n  model: parafomer-zh\n",
    "asr:\n  model: something\n",
    "asr:\n  device: cdua\n",
    "asr:\n  precision: float61\n",
    "asr:\n  speaker_model: who\n",
    "log:\n  level: loud\n",
    "limits:\n  queue_length: 0\n",
    "limits:\n  queue_length: 1e99\n",
    "alerts:\n  cool_down_seconds: .inf\n",
    "alerts:\n  mail_to: nobody\n",
    "alerts:\n  mail_server: smtp.example.com\n",
    "alerts:\n  mail_server: a b\n",
    "alerts:\n  page_link: here\n",
    f"alerts:\n  name: {'x' * 101}\n",
    "access:\n  api_keys: secret\n",
    "access:\n  users: me:secret\n",
    f"access:\n  api_keys: a:sha256${'0' * 64} a:sha256${'0' * 64}\n",
    "access:\n  quotas: much\n",
    "access:\n  quotas: a:requests_per_minute=0\n",
    "access:\n  quotas: a:requests_per_minute=1 a:requests_per_minute=1\n",
    "access:\n  cors_origins: here\n",
    "access:\n  funasr_addresses: here\n",
    "outgoing:\n  input_hosts: 'a b/c'\n",
    "results:\n  database: mysql://x\n",
    "results:\n  database: postgresql://me:secret@h/d\n",
    "tracing:\n  otlp_endpoint: here\n",
    "tracing:\n  otlp_endpoint: http://here:99999/v1/traces\n",
)


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_with_a_file_is_said_in_both_languages(tmp_path: Path, text: str) -> None:
    (tmp_path / "seacod.yaml").write_text(text)
    with pytest.raises(ConfigError) as wrong:
        load_settings(tmp_path / "seacod.yaml", environment={})
    assert_both(wrong.value)


def test_what_each_setting_asks_for_is_said_in_both_languages(tmp_path: Path) -> None:
    """Whatever the setting: a list is what none of them is, nor a text of a thousand signs."""
    told = 0
    for section, key in leaves():
        for value in ("[[1]]", "-1e308", "'%s'" % ("\u00a0" * 200)):
            (tmp_path / "seacod.yaml").write_text(f"{section}:\n  {key}: {value}\n")
            try:
                load_settings(tmp_path / "seacod.yaml", environment={})
            except ConfigError as error:
                told += 1
                assert_both(error)
    assert told > len(list(leaves()))
    assert SECTIONS


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a: \x07\n", b"a: &x *y\n", b"? [\n"])
def test_a_file_that_is_no_text_is_said_in_both_languages(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "seacod.yaml").write_bytes(content)
    with pytest.raises(ConfigError) as wrong:
        load_settings(tmp_path / "seacod.yaml", environment={})
    assert_both(wrong.value)


def test_variables_and_files_that_are_missing_are_said_in_both_languages(tmp_path: Path) -> None:
    for environment in ({"SEACOD_SERVER_PRT": "1"}, {"SEACOD_X": "1"}, {"SEACOD_LOG_LEVEL": "x"}):
        with pytest.raises(ConfigError) as wrong:
            load_settings(environment=environment, default_file=None)
        assert_both(wrong.value)
    (tmp_path / "hot").mkdir()
    (tmp_path / "seacod.yaml").write_text(
        "log:\n  file: /proc/nowhere/log\nasr:\n  hotwords_file: /nowhere\n"
        "alerts:\n  muted: nothing\n  mail_password_file: /nowhere\n"
        "outgoing:\n  callback_hosts: example.com\n"
    )
    settings = load_settings(tmp_path / "seacod.yaml", environment={})
    from seacod.alerts.channels.registry import problems

    with pytest.raises(ConfigError) as wrong:
        check(settings, tmp_path / "seacod.yaml", problems(settings.alerts))
    assert_both(wrong.value)
    assert len(wrong.value.chinese.splitlines()) == 5


def test_what_the_operating_system_says_is_said_in_both_languages() -> None:
    for number in (errno.ENOENT, errno.EACCES, errno.ENOSPC, errno.EROFS, errno.ECONNREFUSED):
        english, chinese = reason(OSError(number, os.strerror(number)))
        assert english == os.strerror(number)
        assert _CHINESE.search(chinese)
        assert not re.search("[a-z]", chinese)
    # One without words has a name.
    assert reason(OSError(errno.ENOTUNIQ, "odd"))[1] == "ENOTUNIQ"
    assert reason(sqlite3.OperationalError("database or disk is full"))[1] == "磁盘已满"
    assert reason(ssl.SSLError(1, "[SSL] wrong version number"))[1] == "SSLError"
    assert reason(TimeoutError("timed out"))[1] == "超时"
    with pytest.raises(httpx.ConnectError) as refused:
        httpx.get("http://127.0.0.1:1/", trust_env=False)
    assert reason(refused.value)[1] == "连接被拒绝"
    # What says nothing at all is told by its name.
    assert reason(EOFError()) == ("EOFError", "EOFError")
    assert reason(httpx.ReadTimeout(""))[0] == "ReadTimeout"


@pytest.fixture
def chinese(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    file = tmp_path / "seacod.yaml"
    file.write_text(
        f"server:\n  prot: 1\npaths:\n  runtime_directory: {tmp_path}/run\n"
        f"  state_directory: {tmp_path}/st\n"
    )
    yield file


def test_a_check_of_a_broken_file_is_in_chinese(
    chinese: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["check", "--config", str(chinese), "configuration", "disk", "mail", "model", "jobs"])
    said = capsys.readouterr().out
    assert f"{chinese}:2：server.prot：没有这个键；是否应为 server.port？" in said
    with pytest.raises(SystemExit):
        main(["config", "check", str(chinese)])
    assert "没有这个键" in capsys.readouterr().err


def test_no_item_of_a_check_mixes_languages(tmp_path: Path) -> None:
    """Without a service; what others say, such as a name, is quoted."""
    file = tmp_path / "seacod.yaml"
    file.write_text(
        f"paths:\n  runtime_directory: {tmp_path}/run\n  state_directory: {tmp_path}/st\n"
        "log:\n  file: /nowhere/at/all/seacod.log\nresults:\n  database: postgresql://a@[::1]:1/b\n"
    )
    for name, finding in registry.run(CheckContext(file, None, False), registry.chosen([])):
        assert not _CHINESE.search("".join(finding.seen[0] + finding.mend[0])), name
        for text in (finding.seen[1], finding.mend[1]):
            assert not text or _CHINESE.search(text) or not english_words(text), (name, text)


def test_a_start_says_what_it_is_at_for_how_long_and_how_long_the_last_one_took() -> None:
    clock = Clock()
    far = "iic/x: 300 / 950 MB, 32%, 5.0 MB/s"
    report = Report(ServiceState.STARTING, stage=(f"downloading {far}", f"正在下载 {far}"),
                    began=Moment(clock), last_start_seconds=80.0)  # fmt: skip
    clock.now += 12
    english, chinese = start_progress(report)
    assert english == (
        "downloading iic/x: 300 / 950 MB, 32%, 5.0 MB/s, for 12 s; the last start took 80 s"
    )
    assert chinese == ("正在下载 iic/x: 300 / 950 MB, 32%, 5.0 MB/s，已 12 秒；上次启动用时 80 秒")
    assert f"starting ({english})" in status_text(report, ["here"], 0, 1, None)
    report.last_start_seconds, report.stage = None, NOTHING
    assert start_progress(report) == ("for 12 s", "已 12 秒")
    report.state = ServiceState.SERVING
    assert start_progress(report) == ("", "")
    fallback = Fallback([], lambda: None, lambda: (english, chinese))
    fallback.open("starting", lambda: 5)
    told = json.loads(fallback._response(b"GET / HTTP/1.1").partition(b"\r\n\r\n")[2])["error"]
    assert told["message"].startswith(f"The model is loading ({english}). ")
    assert told["message_zh"].startswith(f"正在加载模型（{chinese}）。")
    page = fallback._response(b"GET / HTTP/1.1\r\nAccept: text/html\r\nAccept-Language: zh-CN")
    assert chinese in page.decode()


def test_every_step_of_a_start_and_every_end_has_both_languages() -> None:
    """Where they are made: two texts beside each other are the same in both."""
    pairs = [
        node
        for place in _SAID_BY
        for node in ast.walk(ast.parse((PACKAGE / place).read_text("utf-8")))
        if isinstance(node, ast.Tuple)
        and len(node.elts) == 2
        and all(
            isinstance(one, ast.JoinedStr)
            or (isinstance(one, ast.Constant) and isinstance(one.value, str))
            for one in node.elts
        )
    ]
    assert len(pairs) >= 15
    for pair in pairs:
        english, chinese = map(ast.unparse, pair.elts)
        assert _CHINESE.search(chinese) and not _CHINESE.search(english), (english, chinese)
    for status in (-11, -9, -99, 0, 1, EX_CONFIG, EX_UNAVAILABLE):
        assert_words(classify(status, is_out_of_memory=status == -9).words)
    for words in (*(one.value for one in Ailment), STUCK.words, stopped("asked").words):
        assert_words(words)


def assert_words(words: Words) -> None:
    english, chinese = words
    assert english and not _CHINESE.search(english)
    assert _CHINESE.search(chinese)


def test_status_and_alerts_are_in_chinese(
    chinese: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told: dict[str, Any] = completed({})
    told["worker"] |= {
        "state": "starting",
        "stage": "loading x",
        "stage_zh": "正在加载 x",
        "last_start_seconds": 7.0,
    }
    text = "\n".join(lines(told))
    assert "正在加载 x（上次启动用时 7 秒）" in text
    assert english_words(text) == []
    alerts_command._kinds()
    said = capsys.readouterr().out
    assert all(kind.chinese in said and kind.english not in said for kind in KINDS.values())


def test_a_channel_that_cannot_be_used_says_so_in_both_languages(tmp_path: Path) -> None:
    """By what `seacod config check` finds."""
    file = tmp_path / "address"
    file.write_text("no address of anybody")
    file.chmod(0o600)
    found = 0
    for channel in all_channels().values():
        keys = {key: str(file) for key in channel.keys.model_fields if key.endswith("_file")}
        keys |= {"mail_server": "nowhere.invalid", "mail_to": "a@b.c", "mail_from": "a@b.c"}
        for _, (english, zh) in channel(AlertSettings(**keys)).problems():
            found += 1
            assert not _CHINESE.search(english)
            assert english_words(zh.replace("no scheme", "").replace("line", "")) == [], zh
    assert found >= 3


def test_directories_are_refused_in_both_languages(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = tmp_path / "run"
    run.mkdir()
    run.chmod(0o777)
    for state, runtime in ((tmp_path / "file" / "x", run), (tmp_path / "st", run)):
        with pytest.raises(ConfigError) as wrong:
            Paths(state, runtime, state / "t", state / "m").make()
        assert_both(wrong.value)


def test_figures_of_an_alert_that_are_words_are_said_in_both_languages() -> None:
    report = Report(ServiceState.SERVING, model="real", device="cuda:0")
    report.beat = Beat(3, 2, 0.0, 0.0)
    for status in (-11, 1):
        report.caused(1.0, classify(status, is_out_of_memory=False).words)
    gpu = SimpleNamespace(index=0, name="H100", used_bytes=5 << 20, total_bytes=9 << 20)
    gpus: Any = SimpleNamespace(gpus=[gpu])
    evidence = gather(report, gpus, None, "http://here")
    assert not _CHINESE.search(json.dumps({k: v for k, v in evidence.items() if k[0] != "_"}))
    figures = dict(compose._split(evidence, "zh")[0])
    assert figures == figures | {
        "状态": "正在服务", "模型": "real（cuda:0）", "请求": "3 个处理中，2 个排队",
        "最近的原因": "收到信号 SIGSEGV；退出码 1", "显卡 0": "H100：已用 5 / 9 MiB",
    }  # fmt: skip
    figures = dict(compose._split(evidence, "en")[0])
    assert figures == figures | {
        "state": "serving", "model": "real on cuda:0", "requests": "3 in flight, 2 waiting",
        "last causes": "signal SIGSEGV; exit code 1", "gpu 0": "H100: 5 of 9 MiB used",
    }  # fmt: skip
    # Messages of a release before have no Chinese beside them.
    assert ("状态", "serving") in compose._split({"state": "serving"}, "zh")[0]
