"""The modules of a package, found by looking: a registry is a folder, and a new thing in it is a
new file. Called by the registries; knows nothing of what they hold."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from types import ModuleType


def modules_of(package: ModuleType) -> Iterator[ModuleType]:
    """Import every module of a package, in the order of their names; sub-packages are left out.

    Args:
        package: already imported; its `__path__` says where to look.
    """
    for found in sorted(pkgutil.iter_modules(package.__path__), key=lambda one: one.name):
        if not found.ispkg:
            yield importlib.import_module(f"{package.__name__}.{found.name}")
