"""Documents say what is true: settings and alerts they name exist, commands can be typed, links
lead somewhere, and each command is run by a test."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml
from documented import CHINESE, DOCUMENTS, ROOT, blocks, elsewhere

from seacod.alerts.kinds import KINDS, Severity
from seacod.cli import runbook
from seacod.cli.parser import make_parser
from seacod.config.keys import leaves
from seacod.config.schema import Settings

SECTIONS = set(Settings.model_fields)
KEYS = {".".join(leaf) for leaf in leaves()}


def _name(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("document", [*DOCUMENTS, *CHINESE], ids=_name)
def test_every_setting_that_is_named_exists(document: Path) -> None:
    named = set(re.findall(r"`([a-z]+\.[a-z_]+)[:`]", document.read_text("utf-8")))
    # Files of ours have dots in their names, too.
    files = {path.name for place in ("seacod", "docs", "etc") for path in (ROOT / place).rglob("*")}
    wrong = {
        one for one in named if one.split(".")[0] in SECTIONS and one not in KEYS | files
    }  # fmt: skip
    assert not wrong


@pytest.mark.parametrize("document", [*DOCUMENTS, *CHINESE], ids=_name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text("utf-8")):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        there = (document.parent / file).resolve() if file else document
        assert there.exists(), target
        if anchor and anchor != "中文":
            heads = re.findall(r"^#+ (.*)$", there.read_text("utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}
            assert anchor in slugs, target


def test_every_block_says_what_it_is() -> None:
    for one in blocks():
        assert one.language in ("sh", "text", "json", "yaml", "ini", "python"), one


def test_every_command_of_ours_can_be_typed() -> None:
    parser = make_parser()
    seen = 0
    for command in (c for one in blocks("sh") for c in one.commands):
        for part in re.split(r"\s*[|;]\s*", command):
            if not part.startswith("seacod ") or "--help" in part:
                continue
            seen += 1
            words = shlex.split(part.split(" > ")[0])[1:]
            parser.parse_args(words)
    assert seen > 30


def test_what_is_run_elsewhere_is_run_there() -> None:
    for command, document in ((c, one.document) for one in blocks("sh") for c in one.commands):
        where = elsewhere(command, document)
        if where is not None:
            file, words = where
            assert words in (ROOT / file).read_text("utf-8"), (command, file)


def test_what_a_command_writes_is_written_where_it_is_read() -> None:
    """A block is run in one piece: what is left out for another test wrote nothing for the rest."""
    for one in blocks("sh"):
        written: set[str] = set()
        for command in one.commands:
            if elsewhere(command, one.document) is not None:
                written |= set(re.findall(r"(?:>|-o|--output)\s+(\S+)", command))
            else:
                assert not {word for word in written if word in command}, (command, one.document)


def test_each_alert_has_a_section_and_each_section_an_alert() -> None:
    rules = yaml.safe_load((ROOT / "etc/prometheus/rules.yml").read_text("utf-8"))
    fired = {
        rule["alert"]: rule["labels"]["severity"]
        for group in rules["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    for language, means, recovery in (
        ("en", "**Means**", "when it is over"), ("zh", "**含义**", "恢复时另行通知"),
    ):  # fmt: skip
        sections = runbook.read(language)
        assert set(sections) == set(KINDS) | set(fired)
        for name, text in sections.items():
            severity = Severity(fired[name]) if name in fired else KINDS[name].severity
            assert text.startswith(f"*{severity.word(language).lower()}"), name
            if name in KINDS:
                first = text.splitlines()[0]
                assert first.endswith(f" · {KINDS[name].title(language)}"), name
                assert (recovery in first) == KINDS[name].has_recovery, name
                assert means in text, name


@pytest.mark.parametrize(
    ("terminal", "options", "words"),
    [
        ("en_US.UTF-8", [], "GPU memory is running out"),
        ("zh_CN.UTF-8", [], "显存即将用尽"),
        ("en_US.UTF-8", ["--language", "zh"], "显存即将用尽"),
        ("zh_CN.UTF-8", ["--language", "en"], "GPU memory is running out"),
    ],
)
def test_the_runbook_is_in_the_language_of_the_terminal_unless_asked_otherwise(
    terminal: str,
    options: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LC_ALL", terminal)
    assert runbook.run(make_parser().parse_args(["runbook", "gpu_memory", *options])) == 0
    assert words in capsys.readouterr().out


def test_the_settings_shown_are_settings() -> None:
    for one in blocks("yaml"):
        Settings.model_validate(yaml.safe_load(one.text))
