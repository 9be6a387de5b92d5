"""`seacod backup FILE`: what the service has on this machine, as one file, while it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from seacod.cli import state_archive
from seacod.cli.options import add_config
from seacod.config.load import load_settings
from seacod.errors import EX_OK
from seacod.paths import Paths
from seacod.system.text.terminal import print_words

HELP = "write state, batches and configuration into one file; the service may run"


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="such as seacod.tar.gz; .tar is not compressed")
    parser.add_argument(
        "--without-recordings", action="store_true",
        help="leave out the recordings and results of batches",
    )  # fmt: skip
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """Write the backup, and say what is in it.

    Raises:
        ConfigError: the configuration cannot be read.
        BadRequest: the file would be below the state directory.
        CannotWrite: the file cannot be written.
    """
    settings = load_settings(options.config)
    made = state_archive.write(
        options.file, Paths.resolve(settings), settings, options.config,
        has_recordings=not options.without_recordings,
    )  # fmt: skip
    size = options.file.stat().st_size / 1e6
    names = ", ".join(made.secrets)
    print_words(
        f"{options.file}: {made.files} files, {len(made.databases)} databases, {size:.1f} MB",
        f"{options.file}：{made.files} 个文件，{len(made.databases)} 个数据库，{size:.1f} MB",
    )
    if names:
        print_words(
            f"not in it, keep them elsewhere: the secrets {names}",
            f"其中不含以下机密，请另行保存：{names}",
        )
    if settings.results.database:
        print_words(
            "not in it: the batches in PostgreSQL (results.database); use pg_dump",
            "其中不含 PostgreSQL 中的批量任务（results.database），请使用 pg_dump",
        )
    if place := settings.results.recordings:
        print_words(
            f"not in it: the recordings at {place} (results.recordings); each is deleted there "
            "when it was heard, so a recording that an older pg_dump still names may be gone",
            f"其中不含 {place} 处的录音（results.recordings）；录音识别后即从那里删除，"
            "因此较早的 pg_dump 所列的录音可能已不存在",
        )
    return EX_OK
