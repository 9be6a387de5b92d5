"""docs/configuration.md and its Chinese version: every setting, from `seacod/config/`."""

from __future__ import annotations

from collections.abc import Iterator

from seacod.alerts.channels.registry import all_channels
from seacod.config import render
from seacod.config.keys import variable_name
from seacod.config.schema import SECTIONS
from seacod.config.setting import Section

_HEAD = """\
# Configuration

[中文](zh/configuration.md)

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
"""


_CHINESE_HEAD = """\
# 配置

[English](../configuration.md)

由 `tools/make_generated.py` 根据 `seacod/config/` 生成；由测试检查是否最新。

配置文件为 `/etc/seacod/seacod.yaml`，或由 `--config`、`SEACOD_CONFIG` 指定。每一项都有默认值，
所以空文件也是正确的配置。环境变量 `SEACOD_SECTION_KEY` 优先于文件
（`SEACOD_SERVER_PORT=8080` 即 `server.port`），命令行选项优先于两者。
不认识的项视为错误，并指出正确的名称。

```sh
seacod config example          # 带注释的文件，列出全部默认值
seacod config check            # 指出错误所在的文件、行与配置项
seacod config show             # 综合各处之后，实际生效的值
systemctl reload seacod        # 使修改生效
```

*重载后立即生效*：在运行中的进程内生效。*重载时更换识别进程后生效*：新的识别进程在旧的旁边启动，
不会丢失请求。*重启服务后生效*：需执行 `systemctl restart seacod`。

机密从不写在该文件中：见 `alerts.mail_password_file` 与
[security.md](security.md#机密)。
"""


def page() -> str:
    """docs/configuration.md, whole."""
    return _HEAD + "".join(_sections(0))


def chinese_page() -> str:
    """docs/zh/configuration.md, whole."""
    return _CHINESE_HEAD + "".join(_sections(1))


def _sections(language: int) -> Iterator[str]:
    for section, model in SECTIONS.items():
        about = (" ".join((model.__doc__ or "").split()), f"{model.about_in_chinese}。")[language]
        yield f"\n## {section}\n\n{about}\n"
        if section == "alerts":
            yield from _channels(language)
        for key in model.model_fields:
            yield "\n" + "\n".join(_entry(section, model, key, language)) + "\n"


def _channels(language: int) -> Iterator[str]:
    """The table of the channels, for the section of alerts."""
    yield (
        "\n| channel | sends by | switched on by | secrets (`/etc/credstore/seacod.NAME`) |\n",
        "\n| 告警渠道 | 发送方式 | 设置后启用 | 机密（`/etc/credstore/seacod.NAME`） |\n",
    )[language]
    yield "|---|---|---|---|\n"
    for name, channel in all_channels().items():
        keys = channel.keys
        secrets = [one for key in keys.model_fields if (one := keys.declared(key).credential)]
        yield (
            f"| `{name}` | {channel.about[language]} | `alerts.{channel.switch}` | "
            f"{(', ', '、')[language].join(f'`{one}`' for one in secrets)} |\n"
        )
    yield (
        "\n`seacod test-alert` sends through each that is configured, or through one alone.\n",
        "\n`seacod test-alert` 经已配置的每个渠道发送一条测试消息，也可以只测试其中一个。\n",
    )[language]


def _entry(section: str, model: type[Section], key: str, language: int) -> Iterator[str]:
    said, facts = model.declared(key), render.facts(model, key)
    variable = f"`{variable_name((section, key))}`"
    yield f"### {section}.{key}"
    yield ""
    yield (f"{said.english}.  ", f"{said.chinese}。  ")[language]
    yield (f"{variable}; {facts[0]}", f"{variable}；{facts[1]}")[language]
