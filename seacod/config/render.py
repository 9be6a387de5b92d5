"""Settings as text: the commented file for operators, and the effective values.

`etc/seacod.yaml` is the output of `example`; a test keeps the two the same.
"""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any, Literal

import yaml
from annotated_types import Ge, Le

from seacod.config.keys import variable_name
from seacod.config.schema import SECRETS, SECTIONS, Settings
from seacod.config.secrets import find_secret
from seacod.config.setting import APPLIES_WORDS, Section

_HEAD = """\
# seacod: settings of the speech-recognition service.
# seacod：语音识别服务的配置。
#
# Every key stands here with its default; remove the '#' before a key to change it.
# Check: seacod config check      See what applies: seacod config show
# Apply: systemctl reload seacod  Keys that take effect "on restart": systemctl restart seacod
# A variable SEACOD_SECTION_KEY overrides a key (SEACOD_SERVER_PORT=8080).
# 每个配置项及其默认值都列在下面；去掉行首的 # 即可修改，改后执行 systemctl reload seacod；
# 标有“重启服务后生效”的项需执行 systemctl restart seacod。
"""


def example() -> str:
    """The commented configuration file with every key at its default."""
    parts = [_HEAD]
    for section, model in SECTIONS.items():
        said = [" ".join((model.__doc__ or "").split()), f"{model.about_in_chinese}。"]
        about = "".join(f"# {line}\n" for text in said for line in _wrap(text))
        parts.append(f"\n{about}{section}:\n")
        parts += [_example_key(model, key) for key in model.model_fields]
    return "".join(parts).replace("\n\n\n", "\n\n").rstrip("\n") + "\n"


def show(settings: Settings) -> str:
    """The effective values as YAML, with the variable that overrides each; secrets masked."""
    lines = ["# effective settings (file, environment and options together)"]
    for section, model in SECTIONS.items():
        lines.append(f"{section}:")
        for key in model.model_fields:
            value = getattr(getattr(settings, section), key)
            line = f"  {key}: {_scalar(value)}"
            lines.append(f"{line:<44}  # {variable_name((section, key))}")
    for section, key, credential in SECRETS:
        file = find_secret(getattr(settings, section), key)
        lines.append(f"# secret {credential}: {'******** (set)' if file else 'not set'}")
    return "\n".join(lines) + "\n"


def _example_key(model: type[Section], key: str) -> str:
    said = model.declared(key)
    effect = APPLIES_WORDS[said.applies][1]
    lines = _wrap(said.english) + _wrap(said.chinese) + [f"[{facts(model, key)[0]} {effect}]"]
    comments = "".join(f"  # {line}\n" for line in lines)
    return f"{comments}{f'  #{key}: {_scalar(model.model_fields[key].default)}'.rstrip()}\n\n"


def facts(model: type[Section], key: str) -> tuple[str, str]:
    """Default and limits of a setting, and how a change takes effect, in a line of English and one
    of Chinese."""
    info = model.model_fields[key]
    default = _scalar(info.default)
    said = [(f"default: {default or 'empty'}", f"默认：{default or '空'}")]
    for limit in info.metadata:
        if isinstance(limit, Ge):
            said.append((f"at least {limit.ge}", f"最小 {limit.ge}"))
        elif isinstance(limit, Le):
            said.append((f"at most {limit.le}", f"最大 {limit.le}"))
    if typing.get_origin(info.annotation) is Literal:
        choices = [str(one) for one in typing.get_args(info.annotation)]
        said.append((f"one of {', '.join(choices)}", f"可选 {'、'.join(choices)}"))
    english, chinese = APPLIES_WORDS[model.declared(key).applies]
    said.append((f"takes effect {english}", chinese))
    return "; ".join(one for one, _ in said), "；".join(other for _, other in said)


def _scalar(value: Any) -> str:
    """A value as it would stand in the file."""
    if value is None:
        return ""
    if isinstance(value, Path):
        value = str(value)
    return yaml.safe_dump(value, allow_unicode=True, width=10_000).removesuffix("...\n").strip()


def _wrap(text: str, width: int = 92) -> list[str]:
    """Lines of at most `width` columns; Chinese characters count two and may break anywhere."""
    lines, line, columns = [], "", 0
    for word in _words(text):
        size = sum(2 if ord(char) > 0x2E80 else 1 for char in word)
        if columns + size > width and line:
            lines.append(line.rstrip())
            line, columns = "", 0
            word = word.lstrip()
        line += word
        columns += size
    return [*lines, line.rstrip()] if line else lines


def _words(text: str) -> list[str]:
    words: list[str] = []
    for char in text:
        wide = ord(char) > 0x2E80
        if not words or wide or char == " " or ord(words[-1][-1]) > 0x2E80:
            # Closing punctuation stays with what it closes.
            if wide and char in "，。；：、）" and words:
                words[-1] += char
            else:
                words.append(char)
        else:
            words[-1] += char
    return words
