"""One more setting is one more field in the file of its section: a copy of the package gets four,
one for each way in which a change takes effect and one that names a file with a secret."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from package_copy import copy_of_package, replace_once, run_with, running
from supervised import ROOT, StandIn, wait_until

# File of the section, a line that the new field comes before, and the field. What `gpu` says of its
# settings (`applies="live"`) holds for the first, what `tracing` says for the second.
FIELDS = (
    (
        "gpu.py",
        "    readings: int = setting(\n",
        """    more_seconds: float = setting(
        7.0, "Seconds of more", "更多的秒数", between=(1, 9)
    )
""",
    ),
    (
        "tracing.py",
        "    service_name: str = setting(\n",
        """    more_name: str = setting("", "Name of more", "更多的名称")
""",
    ),
    (
        "log.py",
        "    file: Path | None = setting(\n",
        """    more_kind: Literal["one", "other"] = setting(
        "one", "Kind of more", "更多的种类", applies="restart"
    )
""",
    ),
    (
        "outgoing.py",
        "    callback_hours: float = setting(\n",
        """    more_file: Path | None = setting(
        None, "File with more", "含有更多内容的文件", credential="more-secret"
    )
""",
    ),
)
# What shows that a live setting has arrived: a figure of the supervisor's that reads it.
BEFORE_FIGURE = '    PresentFigure(\n        "seacod_paused"'
FIGURE = """    PresentFigure(
        "seacod_more", "More", lambda view: view.settings.current.gpu.more_seconds
    ),
"""
EFFECT = {
    "gpu.more_seconds": "takes effect on reload",
    "tracing.more_name": "takes effect on reload, by a new worker",
    "log.more_kind": "takes effect on restart",
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = copy_of_package(tmp_path_factory.mktemp("copy"))
    for name, before, field in FIELDS:
        replace_once(copy / "seacod/config" / name, before, field + before)
    replace_once(copy / "seacod/supervisor/scrape.py", BEFORE_FIGURE, FIGURE + BEFORE_FIGURE)
    return copy


@pytest.fixture(scope="module")
def made(copy: Path) -> Path:
    """The copy with everything that `make generated` writes."""
    for name in ("docs", "etc", "systemd", "tools"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", copy)
    run_with(copy, copy / "tools/make_generated.py")
    return copy


@pytest.fixture
def grown(copy: Path, tmp_path: Path) -> Iterator[StandIn]:
    with running(StandIn(tmp_path), copy) as service:
        yield service


def test_it_is_shown_with_its_variable(copy: Path, tmp_path: Path) -> None:
    secret = tmp_path / "more"
    secret.write_text("more than anybody may know")
    secret.chmod(0o600)
    file = tmp_path / "seacod.yaml"
    file.write_text(
        json.dumps({"gpu": {"more_seconds": 3}, "outgoing": {"more_file": str(secret)}})
    )
    shown = run_with(copy, "-m", "seacod", "config", "show", file)
    assert re.search(r"^  more_seconds: 3\.0 +# SEACOD_GPU_MORE_SECONDS$", shown, re.MULTILINE)
    assert re.search(r"^  more_kind: one +# SEACOD_LOG_MORE_KIND$", shown, re.MULTILINE)
    assert "# secret more-secret: ******** (set)\n" in shown
    assert "than anybody" not in shown


def test_a_variable_sets_it(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEACOD_TRACING_MORE_NAME", "by its variable")
    assert "  more_name: by its variable " in run_with(copy, "-m", "seacod", "config", "show")


@pytest.mark.parametrize(
    ("given", "english", "chinese"),
    [
        (
            "gpu:\n  more_seconds: 99\n",
            ":2: gpu.more_seconds: is 99; it must be less than or equal to 9",
            ":2：gpu.more_seconds：值为 99；应为不大于 9.0 的数",
        ),
        (
            "log:\n  more_kind: third\n",
            ":2: log.more_kind: is 'third'; it must be 'one' or 'other'",
            ":2：log.more_kind：值为 'third'；应为 'one' 或 'other'",
        ),
        (
            "gpu:\n  more_secnds: 2\n",
            "did you mean gpu.more_seconds?",
            "gpu.more_seconds",
        ),
    ],
)
def test_a_wrong_value_is_named_with_its_line(
    copy: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    english: str,
    chinese: str,
) -> None:
    file = tmp_path / "seacod.yaml"
    file.write_text(given)
    told = run_with(copy, "-m", "seacod", "config", "check", file, check=False)
    assert english in told
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    assert chinese in run_with(copy, "-m", "seacod", "config", "check", file, check=False)


def test_it_is_in_the_settings_file_and_in_both_documents(made: Path) -> None:
    for name, of_seconds in (
        ("docs/configuration.md", "Seconds of more"), ("docs/zh/configuration.md", "更多的秒数"),
    ):  # fmt: skip
        page = (made / name).read_text("utf-8")
        (part,) = re.findall(r"### gpu\.more_seconds\n(.*?)\n\n###? ", page, re.DOTALL)
        assert of_seconds in part and "`SEACOD_GPU_MORE_SECONDS`" in part
    page = (made / "docs/configuration.md").read_text("utf-8")
    for key, effect in EFFECT.items():
        (part,) = re.findall(rf"### {re.escape(key)}\n(.*?)\n\n", page + "\n\n", re.DOTALL)
        assert part.endswith(effect) or re.search(rf"{effect}$", part, re.MULTILINE), key
    example = (made / "etc/seacod.yaml").read_text("utf-8")
    assert (
        "  # Seconds of more\n  # 更多的秒数\n  # [default: 7.0; at least 1; at most 9;" in example
    )
    assert "  #more_kind: one\n" in example


def test_a_secret_is_handed_over_by_the_unit_and_named_for_operators(made: Path) -> None:
    unit = (made / "systemd/seacod.service").read_text("utf-8")
    assert "\nLoadCredential=more-secret:seacod.more-secret\n" in unit
    for name in ("docs/security.md", "docs/zh/security.md"):
        table = (made / name).read_text("utf-8")
        assert "| `seacod.more-secret` | `outgoing.more_file` |" in table


def test_a_secret_comes_from_its_credential_first_and_is_masked(copy: Path, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "more-secret").write_text("from systemd, and long enough\n")
    told = run_with(
        copy,
        "-c",
        f"""
import os
os.environ["CREDENTIALS_DIRECTORY"] = {str(credentials)!r}
from seacod.config.schema import Settings
from seacod.config.secrets import read_secret, remember_all
from seacod.system.text import masking
settings = Settings()
remember_all(settings)
print(read_secret(settings.outgoing, "more_file"))
print(masking.masked("says: from systemd, and long enough"))
""",
    )
    assert told.startswith("from systemd, and long enough\nsays: ")
    assert told.count("from systemd") == 1


def test_a_reload_applies_each_as_it_says(grown: StandIn) -> None:
    first = grown.worker_pid()

    def reload(**sections: dict[str, Any]) -> dict[str, Any]:
        number = (grown.status() or {})["reload"]["number"]
        grown.configure(**sections)
        grown.signal(signal.SIGHUP)
        told: dict[str, Any] = wait_until(
            lambda: (
                (one := (grown.status() or {})["reload"])["number"] > number
                and one["state"] != "running"
                and one
            ),
            "the outcome of the reload",
        )
        return told

    assert "\nseacod_more 7.0\n" in grown.metrics()
    assert reload(gpu={"more_seconds": 8})["state"] == "done"
    assert "\nseacod_more 8.0\n" in grown.metrics()
    assert grown.worker_pid() == first
    assert reload(gpu={"more_seconds": 8}, tracing={"more_name": "new"})["state"] == "done"
    assert grown.worker_pid() != first
    reload(log={"more_kind": "other"})
    assert grown.events("restart_needed")[-1]["keys"] == ["log.more_kind"]
