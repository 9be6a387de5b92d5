"""A channel is one file: settings, secrets, checks, commands, delivery and documents follow."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

from supervised import PATIENCE_SECONDS, ROOT

from seacod.alerts.channels.registry import all_channels

PAGER = '''
"""Pagers."""
from pathlib import Path
from seacod.alerts.channels.base import Channel, Undelivered
from seacod.config.setting import Section, setting

class PagerKeys(Section, applies="live"):
    pager_number: str = setting("", "Number of the pager", "寻呼机号码")
    pager_pin_file: Path | None = setting(None, "File with its PIN", "PIN 文件", credential="pager-pin")

class Pager(Channel[PagerKeys]):
    name = "pager"
    about = ("a pager", "寻呼机")
    switch = "pager_number"
    keys = PagerKeys

    async def send(self, composed, messages):
        if self.own.pager_number == "0":
            raise Undelivered("engaged")
        return f"{self.own.pager_number} beeped with {self.secret('pager_pin_file')}"

    def problems(self):
        if self.own.pager_number == "0":
            yield "pager_number", ("nobody has this number", "空号")

CHANNEL = Pager
'''  # noqa: E501

# Everything that somebody looks at, said by the copy that has the new file.
LOOK = """
import asyncio, json, sys
from pathlib import Path
from documents import configuration, man, unit
from seacod.alerts.delivery import Delivery
from seacod.alerts.outbox import Outbox
from seacod.config import render
from seacod.config.load import load_settings
from seacod.config.schema import SECRETS
from seacod.proving.checks.items import keeping
from seacod.proving.checks.context import CheckContext

class Context:
    settings = load_settings(Path(sys.argv[1]))
    sends = True

async def delivers():
    made = Delivery(Outbox(Path(":memory:")), None, on_trouble=None, touch=None)
    return list(made.delivered)

print(json.dumps({
    "secrets": [list(one) for one in SECRETS],
    "example": render.example(),
    "shown": render.show(Context.settings),
    "document": configuration.page(),
    "chinese document": configuration.chinese_page(),
    "man": man.page(),
    "unit": unit.service(),
    "security": unit.security(),
    "chinese security": unit.chinese_security(),
    "check": keeping.mail(Context()).seen[0],
    "delivers": asyncio.run(delivers()),
}))
"""


def copy_with(directory: Path, name: str, text: str) -> Path:
    """The package, with one file more among the channels."""
    inner = directory / "seacod/alerts/channels"
    inner.mkdir(parents=True)
    (inner / name).write_text(text, "utf-8")
    (directory / "tools").symlink_to(ROOT / "tools")
    for folder in ("seacod", "seacod/alerts", "seacod/alerts/channels"):
        for entry in (ROOT / folder).iterdir():
            place = directory / folder / entry.name
            if not place.exists():
                place.symlink_to(entry)
    return directory


def run(copy: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, cwd=copy,
        timeout=PATIENCE_SECONDS,
        env={**os.environ, "PYTHONPATH": f"{copy}:{copy / 'tools'}", "LANG": "C.UTF-8"},
    )  # fmt: skip


def test_a_channel_added_in_one_file_is_known_everywhere(tmp_path: Path) -> None:
    copy = copy_with(tmp_path / "copy", "pager.py", PAGER)
    pin = tmp_path / "pin"
    pin.write_text("1234\n")
    pin.chmod(0o600)
    config = tmp_path / "seacod.yaml"
    config.write_text(f"alerts:\n  pager_number: '555'\n  pager_pin_file: {pin}\n")
    told = run(copy, "-c", LOOK, str(config))
    assert told.returncode == 0, told.stderr
    seen = json.loads(told.stdout)
    assert ["alerts", "pager_pin_file", "pager-pin"] in seen["secrets"]
    assert "#pager_number: ''" in seen["example"]
    assert "secret pager-pin: ******** (set)" in seen["shown"]
    for document, words in (("document", "a pager"), ("chinese document", "寻呼机")):
        assert f"| `pager` | {words} | `alerts.pager_number` | `pager-pin` |" in seen[document]
    assert "### alerts.pager_pin_file" in seen["document"]
    assert "pager-pin" in seen["man"] and r"\-\-pager" in seen["man"]
    # What `make generated` writes.
    assert "LoadCredential=pager-pin:seacod.pager-pin\n" in seen["unit"]
    for document in ("security", "chinese security"):
        assert "| `seacod.pager-pin` | `alerts.pager_pin_file` |" in seen[document]
    # It had the PIN, and what it says of it is masked.
    assert "pager: 555 beeped with ****" in seen["check"]
    assert "pager" in seen["delivers"]
    sent = run(copy, "-m", "seacod", "test-alert", "--pager", "--config", str(config))
    assert (sent.returncode, sent.stdout) == (0, "pager: taken: 555 beeped with ****\n")
    config.write_text("alerts:\n  pager_number: '0'\n")
    sent = run(copy, "-m", "seacod", "test-alert", "--config", str(config))
    assert (sent.returncode, sent.stdout) == (1, "pager: not taken: engaged\n")
    checked = run(copy, "-m", "seacod", "config", "check", str(config))
    assert f"{config}:2: alerts.pager_number: nobody has this number" in checked.stderr


def test_no_channel_takes_a_name_of_another() -> None:
    """The section is made of all of them: a validator of the same name would be lost."""
    seen: dict[str, str] = {}
    for name, channel in all_channels().items():
        own = {key for key in vars(channel.keys) if not key.startswith(("__", "model_", "_abc_"))}
        assert channel.switch in channel.keys.model_fields
        for key in {*channel.keys.model_fields, *own}:
            assert seen.setdefault(key, name) == name, key


def test_nobody_else_names_a_channel() -> None:
    keys = {key for channel in all_channels().values() for key in channel.keys.model_fields}
    named = set()
    for path in sorted((ROOT / "seacod").rglob("*.py")):
        where = path.relative_to(ROOT / "seacod").as_posix()
        if where.startswith("alerts/channels/"):
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            words = {
                getattr(node, "value", None) if isinstance(node, ast.Constant) else None,
                getattr(node, "attr", None),
                getattr(node, "arg", None),
            }
            for word in {one for one in words if isinstance(one, str)}:
                if word in keys or word in all_channels():
                    named.add((where, word))
    # The item of the checklist that looks at all channels is called so since there were others.
    assert named == {("proving/checks/registry.py", "mail")}
