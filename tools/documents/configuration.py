"""docs/configuration.md: every setting, from `seacod/config/`."""

from __future__ import annotations

from collections.abc import Iterator

from seacod.alerts.channels.registry import all_channels
from seacod.config import render
from seacod.config.load import variable_name
from seacod.config.schema import SECTIONS
from seacod.config.setting import Section

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

*Takes effect on reload*: at once, in the running processes. *On reload, by a new worker*: one that
starts beside the old and loses no request. *On restart*: with `systemctl restart seacod`.

Secrets never stand in the file: see `alerts.mail_password_file` and
[security.md](security.md#secrets).

中文：配置文件为 `/etc/seacod/seacod.yaml`，每一项都有默认值；环境变量 `SEACOD_节_键` 与命令行选项
优先于文件。修改后执行 `systemctl reload seacod`；标有“重启服务后生效”的项需要
`systemctl restart seacod`。
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for section, model in SECTIONS.items():
        about = " ".join((model.__doc__ or "").split())
        parts.append(f"\n## {section}\n\n{about}\n")
        if section == "alerts":
            parts += _channels()
        for key in model.model_fields:
            parts.append("\n" + "\n".join(_entry(section, model, key)) + "\n")
    return "".join(parts)


def _channels() -> Iterator[str]:
    """The table of the channels, for the section of alerts."""
    yield "\n| channel | sends by | switched on by | secrets (`/etc/credstore/seacod.NAME`) |\n"
    yield "|---|---|---|---|\n"
    for name, channel in all_channels().items():
        keys = channel.keys
        secrets = [one for key in keys.model_fields if (one := keys.declared(key).credential)]
        yield (
            f"| `{name}` | {channel.about[0]} · {channel.about[1]} | `alerts.{channel.switch}` | "
            f"{', '.join(f'`{one}`' for one in secrets)} |\n"
        )
    yield "\n`seacod test-alert` sends through each that is configured, or through one alone.\n"


def _entry(section: str, model: type[Section], key: str) -> Iterator[str]:
    said = model.declared(key)
    yield f"### {section}.{key}"
    yield ""
    yield f"{said.english}.  "
    yield f"{said.chinese}。  "
    yield f"`{variable_name((section, key))}`; {render.facts(model, key)}"
