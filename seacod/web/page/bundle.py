"""The page's scripts as one file, so that a browser asks once: each stays a module with a scope of
its own, and is run when something imports it.

`assets.py` serves what is made here. A module belongs to it because something imports it: the
entry, the tabs' scripts, and what these import, `import("./x.js")` included. Files in `vendor/`
stay files of their own, fetched when they are needed. Nothing is compiled: imports and exports,
each at the beginning of a line, become the arguments and the result of a function. So there are two
rules more than a browser has: no circle of imports, and what is exported does not change (no
`export let`).
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

VENDOR = "vendor/"
_PATH = r"""(?P<quote>["'])(?P<to>\.{1,2}/[^"'\n]+)(?P=quote)"""
_STATIC = re.compile(rf"^import\b(?:(?P<what>[^\"';]*?)\bfrom)?\s*{_PATH};?", re.MULTILINE)
_DYNAMIC = re.compile(rf"\bimport\(\s*{_PATH}\s*\)")
_DECLARED = re.compile(
    r"^export (?=(?:async )?(?:function\*?|class|const) ?(?P<name>[\w$]+))", re.MULTILINE
)
_LISTED = re.compile(r"^export \{(?P<names>[^}]*)\};?", re.MULTILINE)
_DEFAULT = re.compile(r"^export default ", re.MULTILINE)
_LEFT = re.compile(r"^(?:import[ {*\"']|export\b).*", re.MULTILINE)
_AS = re.compile(r"\s+as\s+")

_LOADER = """const modules = {};
const running = {};
// What a module exports; it is run once, after those that it imports.
const load = (name) => (running[name] ??= run(name));
const at = (name) => new URL(`${window.seacodSetup.ui}/${name}`, document.baseURI).href;
const outside = (name) => import(at(name));
async function run(name) {
  const [needs, body] = modules[name];
  const given = [];
  for (const one of needs) given.push(await (one.startsWith("vendor/") ? outside(one) : load(one)));
  return body(...given);
}
window.seacodModule = load;
"""


class BrokenModules(Exception):
    """An import leads nowhere or in a circle, or is written as this cannot read it."""


@dataclass(frozen=True, slots=True)
class _Module:
    code: str
    needs: tuple[str, ...]
    later: tuple[str, ...]
    exported: frozenset[str]
    # What is taken from others: their name, and that of the thing.
    taken: tuple[tuple[str, str], ...]


def bundle(modules: Mapping[str, str], entry: str, more: Iterable[str] = ()) -> str:
    """One module script that runs `entry`.

    Args:
        modules: name of a file, relative to the directory of all of them → its text.
        entry: where it begins.
        more: modules that are asked for by name (`window.seacodModule`), such as the tabs'.

    Raises:
        BrokenModules: with the name of the module and the line.
    """
    taken: dict[str, _Module] = {}
    waiting = [entry, *more]
    while waiting:
        name = waiting.pop()
        if name not in taken and not name.startswith(VENDOR):
            taken[name] = made = _read(name, modules)
            waiting += [*made.needs, *made.later]
    for name, one in taken.items():
        for origin, thing in one.taken:
            if origin in taken and thing not in taken[origin].exported:
                raise BrokenModules(f"{name} imports {thing}, which {origin} does not export")
    needs = {name: one.needs for name, one in taken.items()}
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError as error:
        raise BrokenModules(f"modules import each other: {' -> '.join(error.args[1])}") from None
    written = "".join(taken[name].code for name in order if name in taken)
    return f"{_LOADER}{written}await load({json.dumps(entry)});\n"


def _read(name: str, modules: Mapping[str, str]) -> _Module:
    """A module as a function: what it imports comes in, what it exports goes out."""
    needs: list[str] = []
    later: list[str] = []
    opening: list[str] = []
    wanted: list[tuple[str, str]] = []
    exported: list[str] = []

    def imported(found: re.Match[str]) -> str:
        needs.append(_resolved(name, found["to"], modules))
        things = _things((found["what"] or "").strip())
        source = f"$import{len(needs) - 1}"
        opening.extend(
            f"const {own} = {source};" if thing == "*" else f"const {own} = {source}.{thing};"
            for thing, own in things
        )
        wanted.extend((needs[-1], thing) for thing, _ in things if thing != "*")
        return "\n" * found[0].count("\n")

    def asked(found: re.Match[str]) -> str:
        to = _resolved(name, found["to"], modules)
        if to.startswith(VENDOR):
            return f"outside({json.dumps(to)})"
        later.append(to)
        return f"load({json.dumps(to)})"

    def listed(found: re.Match[str]) -> str:
        for one in filter(None, map(str.strip, found["names"].split(","))):
            own, *other = _AS.split(one)
            exported.append(f"{(other or [own])[0]}: {own}")
        return "\n" * found[0].count("\n")

    def declared(found: re.Match[str]) -> str:
        exported.append(found["name"])
        return ""

    def default(_: re.Match[str]) -> str:
        exported.append("default: $default")
        return "const $default = "

    text = _DYNAMIC.sub(asked, _STATIC.sub(imported, modules[name]))
    text = _DEFAULT.sub(default, _LISTED.sub(listed, _DECLARED.sub(declared, text)))
    if (left := _LEFT.search(text)) is not None:
        raise BrokenModules(f"{name}: this cannot be put into one file: {left[0]}")
    arguments = ", ".join(f"$import{number}" for number in range(len(needs)))
    code = (
        f"\n// {name}\n"
        f"modules[{json.dumps(name)}] = [{json.dumps(needs)}, async ({arguments}) => {{\n"
        f"{''.join(opening)}{text}\nreturn {{ {', '.join(exported)} }};\n}}];\n"
    )
    names = frozenset(one.partition(":")[0] for one in exported)
    return _Module(code, tuple(needs), tuple(later), names, tuple(wanted))


def _things(what: str) -> list[tuple[str, str]]:
    """What an import brings, and what it is called here: `first, { second as third }` is default
    and second; all of it is `*`."""
    names, _, braced = what.partition("{")
    found = []
    for one in filter(None, map(str.strip, names.split(","))):
        found.append(("*", _AS.split(one)[1]) if one.startswith("*") else ("default", one))
    for one in filter(None, map(str.strip, braced.rpartition("}")[0].split(","))):
        thing, *own = _AS.split(one)
        found.append((thing, (own or [thing])[0]))
    return found


def _resolved(name: str, to: str, modules: Mapping[str, str]) -> str:
    path = posixpath.normpath(posixpath.join(posixpath.dirname(name), to))
    if path not in modules:
        raise BrokenModules(f"{name} imports {to}, which is not there")
    return path
