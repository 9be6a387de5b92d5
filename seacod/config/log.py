"""Section `log`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from seacod.config.setting import Section, setting


class LogSettings(Section, applies="live", chinese="写入 journal、终端或文件的内容"):
    """What is written to the journal, the console or a file."""

    level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "Least important level to log", "日志级别"
    )
    format: Literal["auto", "journal", "console", "json"] = setting(
        "auto",
        "auto: journal fields under systemd, readable lines on a terminal, JSON lines in a file",
        "auto：systemd 下写入 journal，终端下为可读文本，文件中为 JSON",
    )
    file: Path | None = setting(
        None,
        "Also append JSON lines to this file (rotated by logrotate); empty for none",
        "同时以 JSON 写入此文件（由 logrotate 轮转）；留空表示不写",
    )
