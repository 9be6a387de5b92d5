"""What the modules of a folder declare: a registry is a package, and one more thing in it is one
more file. Called by the registries; knows nothing of what they hold."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

Declared = TypeVar("Declared")


def declared(package: ModuleType, name: str, kind: type[Declared]) -> list[Declared]:
    """Import every module of a package and collect what each declares under one name.

    Args:
        package: already imported; its `__path__` says where to look. Sub-packages are left out.
        name: of the module's attribute; modules without it are no part of the registry.
        kind: what the attribute is.

    Returns:
        In the order of the modules' names.
    """
    found = []
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda one: one.name):
        if module.ispkg:
            continue
        imported = importlib.import_module(f"{package.__name__}.{module.name}")
        value = getattr(imported, name, None)
        if isinstance(value, kind):
            found.append(value)
    return found
