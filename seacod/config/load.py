"""Reads the settings: file, then environment, then command-line options, the later winning.

Every error names where (file and line, variable or option), the key, what is wrong and the
nearest right key. Called by `main.py` and by the supervisor at reload; never writes anything.
"""

from __future__ import annotations

import difflib
import os
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from seacod.config.schema import SECTIONS, Settings
from seacod.config.service_links import service_links
from seacod.errors import ConfigClosed, ConfigError, ConfigOutOfReach
from seacod.system.lasting import lasts_for_file
from seacod.system.text.masking import without_credentials
from seacod.system.text.words import Words, reason

DEFAULT_FILE = Path("/etc/seacod/seacod.yaml")
ENV_FILE = "SEACOD_CONFIG"
# A command shows where it went wrong, too.
ENV_DEBUG = "SEACOD_DEBUG"
_ENV_PREFIX = "SEACOD_"
# Variables of ours that are no settings: the file's place, the installer's, the control channel's.
ENV_RESERVED = (
    "SEACOD_CONFIG",
    "SEACOD_DEBUG",
    "SEACOD_API_KEY",
    "SEACOD_INTERNAL_",
    "SEACOD_TORCH",
    "SEACOD_EXTRAS",
    "SEACOD_TEST_",
)

KeyPath = tuple[str, ...]

_EMPTY = "tag:yaml.org,2002:null"
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
_DECIMAL = re.compile(r"[-+]?[0-9.]+")

_WHOLE_NUMBER: Words = ("a whole number", "整数")
_NUMBER: Words = ("a number", "数字")
# pydantic's error types in an operator's words; `{...}` is what its context has.
_MUST_BE: dict[str, Words] = {
    "int_parsing": _WHOLE_NUMBER,
    "int_parsing_size": _WHOLE_NUMBER,
    "int_type": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "finite_number": _NUMBER,
    "string_type": ("a text", "文本"),
    "string_too_short": ("a text that is not empty", "非空文本"),
    "string_too_long": (
        "a text of at most {max_length} characters",
        "不超过 {max_length} 个字符",
    ),
    "path_type": ("a path", "路径"),
    "greater_than_equal": ("greater than or equal to {ge}", "不小于 {ge} 的数"),
    "less_than_equal": ("less than or equal to {le}", "不大于 {le} 的数"),
    "literal_error": ("{expected}", "{expected}"),
}
# What PyYAML says of the mistakes that people make.
_OF_YAML = {
    "mapping values are not allowed here": "此处不应出现冒号（检查缩进，含冒号的值须加引号）",
    "could not find expected ':'": "缺少冒号",
    "found character '\\t' that cannot start any token": "不能用制表符缩进，请改用空格",
    "found unexpected end of stream": "文件提前结束（引号是否成对？）",
    "did not find expected key": "此处应为键名",
    "expected <block end>, but found": "缩进不一致",
    "expected ',' or ']', but got": "方括号未闭合或缺少逗号",
    "expected ',' or '}', but got": "花括号未闭合或缺少逗号",
    "found undefined alias": "引用了未定义的别名",
    "found unknown escape character": "引号内有无效的转义字符",
}


# Of a value that is wrong.
_SHOWN_CHARACTERS = 76
_CHOICES = ("literal_error", "string_pattern_mismatch")


@dataclass
class _Collected:
    """Values on their way to pydantic, each with the place it came from."""

    values: dict[str, Any] = field(default_factory=dict)
    origin: dict[KeyPath, Words] = field(default_factory=dict)
    problems: list[Words] = field(default_factory=list)

    def put(self, path: KeyPath, value: Any, origin: Words) -> None:
        section = self.values
        for key in path[:-1]:
            section = section.setdefault(key, {})
        section[path[-1]] = value
        self.origin[path] = origin

    def where(self, path: KeyPath, fallback: Words) -> Words:
        """The origin of a key, or of the nearest section above it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origin:
                return self.origin[path[:length]]
        return fallback

    def wrong(self, where: Words, path: KeyPath, problem: Words) -> None:
        """One thing that is wrong."""
        self.problems.append(told_of(where, ".".join(path), problem))


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


def origin_of(path: Path | None, key: str, section: str) -> Words:
    """Where the value of a key comes from: file and line, or a variable."""
    collected = _Collected()
    file = find_file(path)
    if file is not None:
        _read_file(file, collected)
    _read_environment(os.environ, collected)
    fallback = (str(file), str(file)) if file else ("defaults", "默认值")
    return collected.where((section, key), fallback)


def refused(problems: Sequence[Words]) -> ConfigError:
    """What is wrong with a configuration, a line for each thing."""
    return ConfigError("\n".join(en for en, _ in problems), "\n".join(zh for _, zh in problems))


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
            origin = (f"option for {dotted}", f"{dotted} 的命令行选项")
            collected.put(tuple(dotted.split(".")), value, origin)
    if collected.problems:
        raise refused(collected.problems)
    try:
        return Settings.model_validate(collected.values)
    except ValidationError as error:
        fallback = (str(file), str(file)) if file else ("settings", "配置")
        raise refused([_describe(item, collected, fallback) for item in error.errors()]) from None


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
        why, chinese = reason(error)
        raise (ConfigError if lasts_for_file(error) else ConfigOutOfReach)(
            f"{file}: cannot be read: {why}", f"{file}：无法读取：{chinese}"
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{file}: is not UTF-8 text (byte {error.start})",
            f"{file}：不是 UTF-8 文本（第 {error.start} 字节）",
        ) from None
    try:
        loader = _AsTyped(text)
    except yaml.reader.ReaderError as error:
        raise ConfigError(
            f"{file}: not valid YAML: character {error.position + 1} may not stand in a text file",
            f"{file}：不是有效的 YAML：第 {error.position + 1} 个字符不能出现在文本文件中",
        ) from None
    try:
        node = loader.get_single_node()
        if node is None:
            return
        if not isinstance(node, yaml.MappingNode):
            where = f"{file}:{node.start_mark.line + 1}"
            raise ConfigError(
                f"{where}: expected sections such as 'server:', found something else",
                f"{where}：此处应为配置节，例如 server:",
            )
        _read_mapping(file, loader, node, (), collected)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f":{mark.line + 1}" if mark else ""
        around = text.splitlines()[mark.line : mark.line + 1] if mark else []
        hint: Words = ("", "")
        if any(re.search(r":\s+\[", one) for one in around):
            hint = (
                "; a value that begins with [ stands in quotes, such as '[::]:7860'",
                "；以 [ 开头的值须加引号，例如 '[::]:7860'",
            )
        said = str(error.problem)
        chinese = next((f"：{zh}" for en, zh in _OF_YAML.items() if said.startswith(en)), "")
        raise ConfigError(
            f"{file}{line}: not valid YAML: {said}{hint[0]}",
            f"{file}{line}：不是有效的 YAML{chinese}{hint[1]}",
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: not valid YAML: {error}", f"{file}：不是有效的 YAML") from None
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
        where = (f"{file}:{key_node.start_mark.line + 1}",) * 2
        path = (*prefix, key)
        if key in seen:
            out.wrong(where, path, ("is set twice in this file", "在文件中设置了两次"))
            continue
        seen.add(key)
        if path in sections:
            out.origin[path] = where
            if isinstance(value_node, yaml.MappingNode):
                _read_mapping(file, loader, value_node, path, out)
            elif value_node.value not in ("", "~", "null"):
                out.wrong(where, path, (
                    "is a section; put its keys below it, indented",
                    "是配置节，其下的键须另起一行并缩进",
                ))  # fmt: skip
        elif path in known:
            value = _typed(loader, value_node)
            if (problem := _ambiguous(path, value_node, value)) is not None:
                out.wrong(where, path, problem)
                continue
            out.put(path, value, where)
        else:
            english, chinese = _nearest(path)
            out.wrong(where, path, (f"unknown key; {english}", f"没有这个键；{chinese}"))


def _ambiguous(path: KeyPath, node: yaml.Node, value: Any) -> Words | None:
    """What is wrong with a number that YAML's versions read differently; None for nothing."""
    is_plain = isinstance(node, yaml.ScalarNode) and node.style is None
    if value is None or not is_plain or not _LEADING_ZERO.fullmatch(value) or not _is_number(path):
        return None
    return (
        f"is {value}, which some programs read as octal; write it without leading zeros",
        f"值为 {value}，可能被当作八进制；请去掉前面的零",
    )


def _is_number(path: KeyPath) -> bool:
    annotation = SECTIONS[path[0]].model_fields[path[1]].annotation
    return bool({int, float} & {annotation, *typing.get_args(annotation)})


def _read_environment(environment: Mapping[str, str], collected: _Collected) -> None:
    names = {variable_name(path): path for path in leaves()}
    links = service_links(environment)
    for name, value in environment.items():
        if not name.startswith(_ENV_PREFIX) or name.startswith(ENV_RESERVED):
            continue
        if name in links:
            continue
        if name in names:
            path = names[name]
            # Set but empty clears a key that may be empty, as an empty value in the file does.
            given = None if value == "" and _may_be_empty(path) else value
            collected.put(path, given, _variable(name))
        else:
            close = difflib.get_close_matches(name, names, n=1)
            hint = _did_you_mean(close[0]) if close else _SHOW
            collected.problems.append(told_of(
                _variable(name), "", (f"unknown setting; {hint[0]}", f"没有这个配置项；{hint[1]}")
            ))  # fmt: skip


_SHOW: Words = ("see: seacod config show", "参见：seacod config show")


def _variable(name: str) -> Words:
    return f"environment variable {name}", f"环境变量 {name}"


def _did_you_mean(name: str) -> Words:
    return f"did you mean {name}?", f"是否应为 {name}？"


def told_of(where: Words, key: str, problem: Words) -> Words:
    """One line: where, which key, what is wrong with it."""
    return (
        f"{where[0]}: {f'{key}: ' if key else ''}{problem[0]}",
        f"{where[1]}：{f'{key}：' if key else ''}{problem[1]}",
    )


def _may_be_empty(path: KeyPath) -> bool:
    return SECTIONS[path[0]].model_fields[path[1]].default is None


def _nearest(path: KeyPath) -> Words:
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
        return _did_you_mean(candidates[0])
    return (
        "all keys with their meaning: seacod config example",
        "全部键及说明：seacod config example",
    )


def _describe(item: Any, collected: _Collected, fallback: Words) -> Words:
    """One pydantic error as a line for people."""
    path = tuple(str(part) for part in item["loc"])
    if item["type"] == "value_error":
        # A check of ours, which says it all; the value may be a secret put in the wrong place.
        problem = reason(item["ctx"]["error"])
        if len(path) < 2:
            # Of combinations, of sections or in one; it names its key first.
            name, _, english = problem[0].partition(": ")
            path = (*path, *name.split("."))
            problem = english, problem[1].partition("：")[2]
        return told_of(collected.where(path, fallback), ".".join(path), problem)
    given = item.get("input")
    english, chinese = _must_be(item, path)
    # A password in the wrong place is not shown to whoever reads the log.
    shown = without_credentials(_shown(given))
    if len(shown) > _SHOWN_CHARACTERS:
        shown = f"{shown[:_SHOWN_CHARACTERS]}...{shown[-1]}"
    seen = ("empty", "空") if given is None else (shown, shown)
    # Between Chinese and Latin letters is a blank, and nowhere else.
    gap = " " if chinese[0].isascii() else ""
    problem = f"is {seen[0]}; it must be {english}", f"值为 {seen[1]}；应为{gap}{chinese}"
    return told_of(collected.where(path, fallback), ".".join(path), problem)


def _shown(given: Any) -> str:
    return given if isinstance(given, str) and _DECIMAL.fullmatch(given) else repr(given)


def _must_be(item: Any, path: KeyPath) -> Words:
    """What a value has to be, in words."""
    if item["type"] == "string_pattern_mismatch" and len(path) == 2:
        words = SECTIONS[path[0]].declared(path[1]).form
    elif (known := _MUST_BE.get(item["type"])) is not None:
        context = item.get("ctx", {})
        words = known[0].format(**context), known[1].format(**context)
        if item["type"] == "literal_error":
            words = words[0], words[1].replace(", ", "、").replace(" or ", " 或 ")
    else:
        words = str(item["msg"]).replace("Input should be ", "", 1), "其他形式"
    # The words in quotes, or between commas, are what may be written.
    choices = re.findall(r"[A-Za-z][\w-]+", words[0]) if item["type"] in _CHOICES else []
    near = difflib.get_close_matches(str(item.get("input")), choices, n=1)
    if not near:
        return words
    hint = _did_you_mean(near[0])
    return f"{words[0]}; {hint[0]}", f"{words[1]}；{hint[1]}"
