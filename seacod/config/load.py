"""Reads the settings: file, then environment, then command-line options, the later winning.

Every error names where (file and line, variable or option), the key, what is wrong and the
nearest right key. Called by `main.py` and by the supervisor at reload; never writes anything.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from seacod.config.collected import Collected
from seacod.config.explain import SHOW, described, did_you_mean, refused, told_of
from seacod.config.keys import ENV_PREFIX, KeyPath, leaves, variable_name
from seacod.config.schema import SECTIONS, Settings
from seacod.config.service_links import service_links
from seacod.config.yaml_file import read_file
from seacod.errors import ConfigError
from seacod.system.text.words import Words

DEFAULT_FILE = Path("/etc/seacod/seacod.yaml")
ENV_FILE = "SEACOD_CONFIG"
# A command shows where it went wrong, too.
ENV_DEBUG = "SEACOD_DEBUG"
# What says where a service listens.
OF_ADDRESSES = (
    "server.listen", "server.host", "server.port", "server.funasr_port",
    "metrics.host", "metrics.port",
)  # fmt: skip
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


def find_file(
    explicit: Path | None = None, *, default_file: Path | None = DEFAULT_FILE
) -> Path | None:
    """The configuration file that applies, or None for defaults only.

    Raises:
        ConfigError: a file was named (option or SEACOD_CONFIG) and is not there.
    """
    named = explicit or (Path(os.environ[ENV_FILE]) if os.environ.get(ENV_FILE) else None)
    if named is not None:
        if named.exists() and not named.is_file():
            # It is read anew at each reload, by the service and by its commands.
            raise ConfigError(
                f"{named}: is no plain file; a configuration has to be one",
                f"{named}：不是普通文件，不能用作配置文件",
            )
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
    collected = Collected()
    file = find_file(path)
    if file is not None:
        read_file(file, collected)
    _read_environment(os.environ, collected)
    fallback = (str(file), str(file)) if file else ("defaults", "默认值")
    return collected.where((section, key), fallback)


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
    collected = Collected()
    if file is not None:
        read_file(file, collected)
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

        def where(key: KeyPath) -> Words:
            return collected.where(key, fallback)

        raise refused([described(item, where) for item in error.errors()]) from None


@dataclass(frozen=True, slots=True)
class SettingsSource:
    """Where a service reads its settings, each time anew.

    Args:
        path: the file that was named, if one was.
        options: command-line options by dotted key.
        default_file: used when no other is named and it is there.
    """

    path: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    default_file: Path | None = DEFAULT_FILE

    def read(self) -> Settings:
        """The settings; raises as `load_settings`."""
        return load_settings(self.path, options=self.options, default_file=self.default_file)

    @classmethod
    def of_told(cls, told: Mapping[str, Any]) -> SettingsSource:
        """That of the service which has told this."""
        named, default = told["file"], told["default_file"]
        return cls(
            Path(named) if named else None, told["options"], Path(default) if default else None
        )

    def told(self) -> dict[str, Any]:
        """For the status, so that whoever checks the service looks at its settings: the files as
        `load_settings` takes them, and what outweighs them (options; of the environment, where it
        listens)."""
        named = self.path or os.environ.get(ENV_FILE)
        placed = {key: os.environ.get(variable_name(tuple(key.split(".")))) for key in OF_ADDRESSES}
        outweigh = {**placed, **{k: v for k, v in self.options.items() if v is not None}}
        return {
            "file": str(Path(named).absolute()) if named else None,
            "default_file": str(self.default_file) if self.default_file else None,
            "options": {
                key: str(value) if isinstance(value, Path) else value
                for key, value in outweigh.items()
                if value is not None
            },
        }


def _read_environment(environment: Mapping[str, str], collected: Collected) -> None:
    names = {variable_name(path): path for path in leaves()}
    links = service_links(environment)
    for name, value in environment.items():
        if not name.startswith(ENV_PREFIX) or name.startswith(ENV_RESERVED):
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
            hint = did_you_mean(close[0]) if close else SHOW
            collected.problems.append(told_of(
                _variable(name), "", (f"unknown setting; {hint[0]}", f"没有这个配置项；{hint[1]}")
            ))  # fmt: skip


def _variable(name: str) -> Words:
    return f"environment variable {name}", f"环境变量 {name}"


def _may_be_empty(path: KeyPath) -> bool:
    return SECTIONS[path[0]].model_fields[path[1]].default is None
