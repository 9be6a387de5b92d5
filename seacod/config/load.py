"""Reads the settings: file, then environment, then command-line options, the later winning.

Every error names where (file and line, variable or option), the key, what is wrong and the
nearest right key. Called by `main.py` and by the supervisor at reload; never writes anything.
"""

from __future__ import annotations

import difflib
import os
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from seacod.config.schema import SECTIONS, Settings
from seacod.errors import ConfigClosed, ConfigError
from seacod.system.masking import without_credentials

DEFAULT_FILE = Path("/etc/seacod/seacod.yaml")
ENV_FILE = "SEACOD_CONFIG"
# A command shows where it went wrong, too.
ENV_DEBUG = "SEACOD_DEBUG"
_ENV_PREFIX = "SEACOD_"
# Variables of ours that are no settings: the file's place, the installer's, the control channel's.
_ENV_RESERVED = (
    "SEACOD_CONFIG",
    "SEACOD_DEBUG",
    "SEACOD_API_KEY",
    "SEACOD_INTERNAL_",
    "SEACOD_TORCH",
    "SEACOD_TEST_",
)

KeyPath = tuple[str, ...]

_EMPTY = "tag:yaml.org,2002:null"
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_DECIMAL = re.compile(r"[-+]?[0-9.]+")

# pydantic's error types in an operator's words; its own words serve for the rest.
_MUST_BE = {
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "finite_number": "a number",
    "path_type": "a path",
}


_CHOICES = ("literal_error", "string_pattern_mismatch")


@dataclass
class _Collected:
    """Values on their way to pydantic, each with the place it came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origin: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def put(self, path: KeyPath, value: Any, origin: str) -> None:
        section = self.values
        for key in path[:-1]:
            section = section.setdefault(key, {})
        section[path[-1]] = value
        self.origin[path] = origin

    def where(self, path: KeyPath, fallback: str) -> str:
        """The origin of a key, or of the nearest section above it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origin:
                return self.origin[path[:length]]
        return fallback


def find_file(
    explicit: Path | None = None, *, default_file: Path | None = DEFAULT_FILE
) -> Path | None:
    """The configuration file that applies, or None for defaults only.

    Raises:
        ConfigError: a file was named (option or SEACOD_CONFIG) and is not there.
    """
    named = explicit or (Path(os.environ[ENV_FILE]) if os.environ.get(ENV_FILE) else None)
    if named is not None:
        if not named.is_file():
            raise ConfigError(
                f"{named}: there is no such configuration file; give another path or create it "
                "with: seacod config example",
                f"{named}：找不到该配置文件；请更换路径，或用 seacod config example 生成",
            )
        return named
    return default_file if default_file is not None and default_file.is_file() else None


def origin_of(path: Path | None, key: str, section: str) -> str:
    """Where the value of a key comes from: file and line, or a variable."""
    collected = _Collected()
    file = find_file(path)
    if file is not None:
        _read_file(file, collected)
    _read_environment(os.environ, collected)
    return collected.where((section, key), str(file) if file else "defaults")


def load_settings(
    path: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    default_file: Path | None = DEFAULT_FILE,
) -> Settings:
    """The effective settings.

    Args:
        path: the file; None looks in SEACOD_CONFIG, then takes `default_file`.
        environment: variables to read `SEACOD_...` from; the process's own by default.
        options: command-line options by dotted key (`server.port`); None values are passed over.
        default_file: used when no other is named and it is there; None for built-in defaults.

    Raises:
        ConfigError: with one line for each thing that is wrong.
    """
    file = find_file(path, default_file=default_file)
    collected = _Collected()
    if file is not None:
        _read_file(file, collected)
    _read_environment(os.environ if environment is None else environment, collected)
    for dotted, value in (options or {}).items():
        if value is not None:
            collected.put(tuple(dotted.split(".")), value, f"option for {dotted}")
    if collected.problems:
        raise ConfigError("\n".join(collected.problems))
    try:
        return Settings.model_validate(collected.values)
    except ValidationError as error:
        fallback = str(file) if file else "settings"
        lines = [_describe(item, collected, fallback) for item in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def leaves() -> Iterator[KeyPath]:
    """Every key of the settings, as a path."""
    for section, model in SECTIONS.items():
        for key in model.model_fields:
            yield (section, key)


def variable_name(path: KeyPath) -> str:
    """The environment variable that overrides a key."""
    return _ENV_PREFIX + "_".join(path).upper()


def _read_file(file: Path, collected: _Collected) -> None:
    try:
        text = file.read_text(encoding="utf-8")
    except PermissionError:
        raise ConfigClosed(
            f"{file}: this user may not read it; as root (sudo) it can be read",
            f"{file}：当前用户无权读取；请以 root（sudo）执行",
        ) from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is not UTF-8 text (byte {error.start})") from None
    try:
        loader = _AsTyped(text)
    except yaml.reader.ReaderError as error:
        raise ConfigError(
            f"{file}: not valid YAML: character {error.position + 1} may not stand in a text file"
        ) from None
    try:
        node = loader.get_single_node()
        if node is None:
            return
        if not isinstance(node, yaml.MappingNode):
            raise ConfigError(
                f"{file}:{node.start_mark.line + 1}: expected sections such as 'server:', "
                "found something else"
            )
        _read_mapping(file, loader, node, (), collected)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        around = text.splitlines()[mark.line : mark.line + 1] if mark else []
        hint = (
            "; a value that begins with [ stands in quotes, such as '[::]:7860'"
            if any(re.search(r":\s+\[", one) for one in around)
            else ""
        )
        raise ConfigError(f"{file}{line}: not valid YAML: {error.problem}{hint}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: not valid YAML: {error}") from None
    finally:
        loader.dispose()


class _AsTyped(yaml.SafeLoader):
    """Values as they are typed; what they mean says the setting. By its own rules YAML 1.1 makes
    90 of `1:30`, 493 of `0755`, a truth value of `on` and a day of `2026-11-26`, in a port as in a
    name."""

    yaml_implicit_resolvers = {  # as PyYAML has it
        first: [rule for rule in rules if rule[0] == _EMPTY]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _typed(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    if not isinstance(node, yaml.ScalarNode):
        return loader.construct_object(node, deep=True)
    return None if node.tag == _EMPTY and node.style is None else node.value


def _read_mapping(
    file: Path, loader: yaml.SafeLoader, node: yaml.MappingNode, prefix: KeyPath, out: _Collected
) -> None:
    known = set(leaves())
    sections = {(section,) for section in SECTIONS}
    seen: set[str] = set()
    for key_node, value_node in node.value:
        key = str(_typed(loader, key_node))
        where = f"{file}:{key_node.start_mark.line + 1}"
        path = (*prefix, key)
        if key in seen:
            out.problems.append(f"{where}: {'.'.join(path)}: is set twice in this file")
            continue
        seen.add(key)
        if path in sections:
            out.origin[path] = where
            if isinstance(value_node, yaml.MappingNode):
                _read_mapping(file, loader, value_node, path, out)
            elif value_node.value not in ("", "~", "null"):
                out.problems.append(
                    f"{where}: {'.'.join(path)}: is a section; put its keys below it, indented"
                )
        elif path in known:
            value = _typed(loader, value_node)
            if (problem := _ambiguous(path, value_node, value)) is not None:
                out.problems.append(f"{where}: {'.'.join(path)}: {problem}")
                continue
            out.put(path, value, where)
        else:
            out.problems.append(f"{where}: {'.'.join(path)}: unknown key; {_nearest(path)}")


def _ambiguous(path: KeyPath, node: yaml.Node, value: Any) -> str | None:
    """What is wrong with a number that YAML's versions read differently; None for nothing."""
    is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
    if value is None or not is_plain or not _LEADING_ZERO.fullmatch(value) or not _is_number(path):
        return None
    return f"is {value}, which is octal to some; write it without the zeros in front"


def _is_number(path: KeyPath) -> bool:
    annotation = SECTIONS[path[0]].model_fields[path[1]].annotation
    return bool({int, float} & {annotation, *typing.get_args(annotation)})


def _read_environment(environment: Mapping[str, str], collected: _Collected) -> None:
    names = {variable_name(path): path for path in leaves()}
    for name, value in environment.items():
        if not name.startswith(_ENV_PREFIX) or name.startswith(_ENV_RESERVED):
            continue
        if name in names:
            path = names[name]
            # Set but empty clears a key that may be empty, as an empty value in the file does.
            given = None if value == "" and _may_be_empty(path) else value
            collected.put(path, given, f"environment variable {name}")
        else:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]}?" if close else "see: seacod config show"
            collected.problems.append(f"environment variable {name}: unknown setting; {hint}")


def _may_be_empty(path: KeyPath) -> bool:
    return SECTIONS[path[0]].model_fields[path[1]].default is None


def _nearest(path: KeyPath) -> str:
    """A hint that names the right key nearest to a wrong one."""
    dotted = ".".join(path)
    every = [".".join(leaf) for leaf in leaves()]
    siblings = [leaf for leaf in every if leaf.rpartition(".")[0] == ".".join(path[:-1])]
    by_last = {leaf.rpartition(".")[2]: leaf for leaf in every}
    candidates = (
        difflib.get_close_matches(dotted, siblings, n=1, cutoff=0.7)
        or ([by_last[path[-1]]] if path[-1] in by_last else [])
        or (difflib.get_close_matches(path[-1], sorted(SECTIONS), n=1) if len(path) == 1 else [])
        or [by_last[key] for key in difflib.get_close_matches(path[-1], by_last, n=1)]
        or difflib.get_close_matches(dotted, every, n=1)
    )
    if candidates:
        return f"did you mean {candidates[0]}?"
    return "all keys with their meaning: seacod config example"


def _describe(item: Any, collected: _Collected, fallback: str) -> str:
    """One pydantic error as a line for people."""
    path = tuple(str(part) for part in item["loc"])
    message = str(item["msg"])
    if item["type"] == "value_error" and len(path) < 2:
        # Our own check of combinations, of sections or in one; it names its key first.
        message = ".".join((*path, message.removeprefix("Value error, ")))
        key = tuple(message.partition(":")[0].split("."))
        return f"{collected.where(key, fallback)}: {message}"
    where = f"{collected.where(path, fallback)}: {'.'.join(path)}"
    if item["type"] == "value_error":
        # A check of ours, which says it all; the value may be a secret put in the wrong place.
        return f"{where}: {message.removeprefix('Value error, ')}"
    given = item.get("input")
    message = _must_be(item, path)
    # A password in the wrong place is not shown to whoever reads the log.
    shown = "empty" if given is None else without_credentials(_shown(given))
    return f"{where}: is {shown:.80}; it must be {message}"


def _shown(given: Any) -> str:
    return given if isinstance(given, str) and _DECIMAL.fullmatch(given) else repr(given)


def _must_be(item: Any, path: KeyPath) -> str:
    """What a value has to be, in words."""
    if item["type"] == "string_pattern_mismatch" and len(path) == 2:
        message = SECTIONS[path[0]].declared(path[1]).form
    else:
        message = _MUST_BE.get(item["type"]) or str(item["msg"]).replace("Input should be ", "", 1)
    # The words in quotes, or between commas, are what may be written.
    choices = re.findall(r"[A-Za-z][\w-]+", message) if item["type"] in _CHOICES else []
    near = difflib.get_close_matches(str(item.get("input")), choices, n=1)
    return f"{message}; did you mean {near[0]}?" if near else message
