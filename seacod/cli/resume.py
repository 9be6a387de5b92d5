"""`seacod resume`: the planned work is done, and the service takes requests again."""

from __future__ import annotations

import argparse

from seacod.cli.options import add_config
from seacod.cli.pause import noticed, place, refused
from seacod.errors import EX_OK
from seacod.system.text.terminal import print_words

HELP = "end a pause: take requests again, and go on with batches"


def add(parser: argparse.ArgumentParser) -> None:
    add_config(parser)


def run(options: argparse.Namespace) -> int:
    """End the pause, and wait until the service has noticed.

    Raises:
        NotAllowed, CannotWrite: this user may not.
        SeacodError: the service does not notice it.
    """
    path, is_running = place(options.config)
    try:
        path.unlink()
    except FileNotFoundError:
        print_words("it was not paused", "服务未处于暂停状态")
        return EX_OK
    except OSError as error:
        raise refused(path, error) from None
    if is_running:
        noticed(options.config, lambda said: said is None)
    print_words("requests are taken again", "已恢复，重新接受请求")
    return EX_OK
