"""Gradio, imported without writing stubs of itself, and without applications that nobody uses.

For editors, each of its component classes reads its own source at import and writes a .pyi file
beside it (6.31, component_meta.py): half of the time of `import gradio`, and files in an
installation that nobody may write to. A class without a file is passed over, so here none has one.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from typing import Any

from seacod.system.net import proxies

_getfile = inspect.getfile


def _no_file_of_a_component(object: Any) -> str:
    if str(getattr(object, "__module__", "")).startswith("gradio."):
        raise OSError("not for stubs")
    return _getfile(object)


inspect.getfile = _no_file_of_a_component
try:
    # It makes HTTP clients at import, which fail over a proxy they cannot use; and asks nobody.
    with proxies.hidden():
        import gradio
finally:
    inspect.getfile = _getfile

__all__ = ["gradio", "only_mounted"]


@contextlib.contextmanager
def only_mounted() -> Iterator[None]:
    """While the block runs, no application is made: a Blocks makes two of 120 routes each, before
    it is mounted and gets the one that is used (6.31): most of what a worker takes for its page."""
    from gradio.routes import App

    made = vars(App)["create_app"]
    App.create_app = staticmethod(lambda *_, **__: None)
    try:
        yield
    finally:
        App.create_app = made
