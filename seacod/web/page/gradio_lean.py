"""Gradio, imported without writing stubs of itself.

For editors, each of its component classes reads its own source at import and writes a .pyi file
beside it (6.31, component_meta.py): half of the time of `import gradio`, and files in an
installation that nobody may write to. A class without a file is passed over, so here none has one.
"""

from __future__ import annotations

import inspect
from typing import Any

_getfile = inspect.getfile


def _no_file_of_a_component(object: Any) -> str:
    if str(getattr(object, "__module__", "")).startswith("gradio."):
        raise OSError("not for stubs")
    return _getfile(object)


inspect.getfile = _no_file_of_a_component
try:
    import gradio
finally:
    inspect.getfile = _getfile

__all__ = ["gradio"]
