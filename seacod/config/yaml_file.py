"""Reads the configuration file: YAML, with the line of each key. Used by `load.py`."""

from __future__ import annotations

import re
import typing
from pathlib import Path
from typing import Any

import yaml

from seacod.config.collected import Collected
from seacod.config.explain import nearest
from seacod.config.keys import KeyPath, leaves
from seacod.config.schema import SECTIONS
from seacod.errors import ConfigClosed, ConfigError, ConfigOutOfReach
from seacod.system.lasting import lasts_for_file
from seacod.system.text.words import Words, reason

_EMPTY = "tag:yaml.org,2002:null"
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_]+")
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


def read_file(file: Path, collected: Collected) -> None:
    """Collect what the file says, and what is wrong with single keys.

    Raises:
        ConfigError: it is not the YAML of a configuration, or is not there.
        ConfigClosed: this user may not read it.
        ConfigOutOfReach: it cannot be read now.
    """
    text = _text(file)
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


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
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
    file: Path, loader: yaml.SafeLoader, node: yaml.MappingNode, prefix: KeyPath, out: Collected
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
            english, chinese = nearest(path)
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
