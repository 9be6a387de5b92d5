"""The process in which Gradio draws the page (`gradio_page.py`), as whoever started it sees it: a
nursery while it loads, or a worker that has no nursery."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict

from seacod.errors import PageNotDrawn
from seacod.system.processes.interpreter import python
from seacod.system.text.words import reason
from seacod.web.page.page import Page
from seacod.web.page.shown import ShownModel, Site

# It takes three seconds; a disk that is slow, or eight of them at once, ten times that.
_LONGEST_SECONDS = 120.0


class Drawing:
    """A page that is being drawn; made by `drawing`."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def finish(self, site: Site, model: ShownModel) -> Page:
        """Wait for the page.

        Args:
            site: how it is reached.
            model: what it says of the model.

        Raises:
            PageNotDrawn: the process ended without it, or gave nothing for two minutes.
        """
        asked = json.dumps({"site": asdict(site), "model": asdict(model)}).encode()
        try:
            told, _ = self._process.communicate(asked, timeout=_LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            raise PageNotDrawn.because(
                f"no page within {_LONGEST_SECONDS:g} s", f"{_LONGEST_SECONDS:g} 秒内没有结果"
            ) from None
        code = self._process.returncode
        try:
            # What a library printed while it was imported comes before it.
            parts = json.loads(told.splitlines()[-1]) if code == 0 else None
        except (ValueError, IndexError):
            parts = None
        if parts is None:
            raise PageNotDrawn.because(f"exit code {code}", f"退出码 {code}")
        return Page(parts["document"], parts["theme"])


@contextmanager
def drawing() -> Iterator[Drawing]:
    """Begin with what takes long; whatever happens in the block, the process has ended after it.

    Raises:
        PageNotDrawn: no process can be started.
    """
    try:
        process = subprocess.Popen(
            python("-m", "seacod.web.page.gradio_page"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
    except OSError as error:
        raise PageNotDrawn.because(*reason(error)) from None
    with process:
        try:
            yield Drawing(process)
        finally:
            process.kill()
