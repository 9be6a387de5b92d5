"""docs/configuration.md: every setting, from `seacod/config/`."""

from __future__ import annotations

import typing
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from seacod.config import render
from seacod.config.changes import applied
from seacod.config.load import variable_name
from seacod.config.schema import Settings

_HEAD = """\
# Configuration

Made by `tools/make_generated.py` from `seacod/config/`; a test sees that it is up to date.

The file is `/etc/seacod/seacod.yaml`, or what `--config` or `SEACOD_CONFIG` names. Every key has a
default, so an empty file is a good one. A variable `SEACOD_SECTION_KEY` overrides a key
(`SEACOD_SERVER_PORT=8080` is `server.port`), an option of the command line overrides both. An
unknown key is an error that names the right one.

```sh
seacod config example          # the commented file with all defaults
seacod config check            # names file, line and key of what is wrong
seacod config show             # what applies, from all places together
systemctl reload seacod        # takes over what has changed
```

*Takes effect*: **now** on a reload, in the running processes; **new worker** on a reload, which
starts one beside the old and loses no request; **restart** with `systemctl restart seacod`.

Secrets never stand in the file: see `alerts.mail_password_file` and
[security.md](security.md#secrets).

中文：配置文件为 `/etc/seacod/seacod.yaml`，每一项都有默认值；环境变量 `SEACOD_节_键` 与命令行选项
优先于文件。修改后执行 `systemctl reload seacod`；标有 **restart** 的项需要
`systemctl restart seacod`。
"""
_WORDS = {"live": "now", "replace": "new worker", "restart": "restart"}


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for section, info in Settings.model_fields.items():
        model = typing.cast(type[BaseModel], info.annotation)
        about = " ".join((model.__doc__ or "").split())
        parts.append(f"\n## {section}\n\n{about}\n")
        for key, leaf in model.model_fields.items():
            parts.append("\n" + "\n".join(_entry(section, key, leaf)) + "\n")
    return "".join(parts)


def _entry(section: str, key: str, info: FieldInfo) -> Iterator[str]:
    extra = info.json_schema_extra
    chinese = str(extra.get("zh", "")) if isinstance(extra, dict) else ""
    name = f"{section}.{key}"
    yield f"### {name}"
    yield ""
    yield f"{info.description}.  "
    yield f"{chinese}。  "
    facts = render.facts(info)
    yield (f"`{variable_name((section, key))}`; {facts}; takes effect: **{_WORDS[applied(name)]}**")
