"""`seacod runbook NAME`: what an alert means, where to look, what to do: docs/operations.md or, in
Chinese, docs/zh/operations.md."""

from __future__ import annotations

import argparse
import re
from importlib import resources

from seacod.errors import EX_OK, BadRequest
from seacod.system.text.terminal import in_language

HELP = "what an alert means, and what to do"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", help="name of the alert; without one, all names")
    parser.add_argument("--language", choices=("en", "zh"), help="instead of the terminal's")


def run(options: argparse.Namespace) -> int:
    """Print the section of one alert, or the names of all.

    Raises:
        BadRequest: there is no section of that name.
    """
    sections, name = read(options.language or in_language("en", "zh")), options.name
    if name is None:
        print("\n".join(sections))
        return EX_OK
    if name not in sections:
        raise BadRequest(
            f"{name}: there is no such alert; there are: {', '.join(sections)}",
            f"{name}：没有这个告警；可用的有：{'、'.join(sections)}",
        )
    print(f"{name}\n\n{_plain(sections[name])}")
    return EX_OK


def read(language: str = "en") -> dict[str, str]:
    """The section of each alert, by its name.

    Args:
        language: en or zh.
    """
    file = "runbook.zh.md" if language == "zh" else "runbook.md"
    text = resources.files("seacod.alerts").joinpath(file).read_text("utf-8")
    found: dict[str, str] = {}
    for section in re.split(r"^#{1,2} ", text, flags=re.MULTILINE)[1:]:
        name, _, body = section.partition("\n")
        # Names of alerts are one word; other headings are none.
        if re.fullmatch(r"[a-z_]+|Seacod\w+", name):
            found[name] = body.strip()
    return found


def _plain(text: str) -> str:
    """Markdown as one reads it at a terminal: commands indented, links as their words."""
    lines, is_command = [], False
    for line in text.splitlines():
        if line.startswith("```"):
            is_command = not is_command
            continue
        line = f"    {line}" if is_command else re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", line)
        lines.append(line if is_command else re.sub(r"\*\*|`", "", line))
    return "\n".join(lines)
