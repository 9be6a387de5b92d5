"""Section `access`."""

from __future__ import annotations

import re

from pydantic import ValidationInfo, field_validator

from seacod.config import quotas
from seacod.config.setting import Section, setting
from seacod.system.net.addresses import AddressSet
from seacod.system.text.words import WrongValue

# A name and the hash of a secret, as seacod/system/credentials.py makes it.
_NAME = r"[A-Za-z0-9._@-]{1,64}"
_KEY = re.compile(_NAME + r":sha256\$[0-9a-f]{64}")
_USER = re.compile(_NAME + r":scrypt\$[A-Za-z0-9+/]{22}==\$[A-Za-z0-9+/]{43}=")


class AccessSettings(
    Section, applies="replace", chinese="谁可以使用网页与 API；留空表示所有能访问端口的人"
):
    """Who may use page and API. Empty: everybody who reaches the port."""

    api_keys: str = setting(
        "",
        "Hashed keys of programs, NAME:HASH separated by blanks; 'seacod access key NAME' makes "
        "one. The keys themselves never stand here",
        "程序使用的密钥（哈希值），格式为 NAME:HASH，以空格分隔；由 seacod access key NAME 生成。"
        "密钥本身从不写在这里",
    )
    users: str = setting(
        "",
        "People who may log in at the page and the API, NAME:HASH separated by blanks; 'seacod "
        "access user NAME' makes one",
        "可登录网页与 API 的用户，格式为 NAME:HASH，以空格分隔；由 seacod access user NAME 生成",
    )
    session_hours: float = setting(
        12.0,
        "Hours after which somebody who logged in at the page has to log in again",
        "网页登录的有效时间（小时），超过后需重新登录",
        between=(0.01, 720),
    )
    quotas: str = setting(
        "",
        "What clients may use, separated by blanks: NAME:LIMIT,LIMIT with the name of a key or "
        "user, or * for each that has no entry of its own (an address, where there are no keys). "
        "Limits are audio_hours_per_day and requests_per_minute, such as "
        "reports:audio_hours_per_day=2,requests_per_minute=30",
        "各客户端的配额，以空格分隔：NAME:LIMIT,LIMIT；NAME 为密钥或用户名，"
        "* 表示其余每个客户端（无密钥时按地址）。"
        "LIMIT 为 audio_hours_per_day（每日音频小时数）与 requests_per_minute（每分钟请求数），"
        "例如 reports:audio_hours_per_day=2,requests_per_minute=30",
        applies="live",
    )
    funasr_addresses: str = setting(
        "",
        "Addresses or networks, separated by blanks, whose programs may use FunASR's protocol "
        "without a key, since its clients send none, such as 10.0.0.0/8; everybody else needs a "
        "key. Empty: who may use the API may use it, too",
        "可不带密钥使用 FunASR 协议的地址或网段，以空格分隔，"
        "例如 10.0.0.0/8（FunASR 客户端不发送密钥）；其他地址须提供密钥。"
        "留空表示与 API 的访问规则相同",
    )
    cors_origins: str = setting(
        "",
        "Web pages of other origins that may call the API, such as https://example.com, separated "
        "by blanks; empty: none",
        "允许跨域调用 API 的来源，例如 https://example.com，以空格分隔；留空表示不允许",
        pattern=r"^(\*|(https?://\S+\s*)*)$",
        form=(
            "* or addresses such as https://app.example.com, separated by blanks",
            "* 或 https://app.example.com 这样的地址，以空格分隔",
        ),
    )

    @field_validator("quotas")
    @classmethod
    def _quotas(cls, value: str) -> str:
        quotas.parse(value)
        return value

    @field_validator("funasr_addresses")
    @classmethod
    def _addresses(cls, value: str) -> str:
        AddressSet(value)
        return value

    @field_validator("api_keys", "users")
    @classmethod
    def _entries(cls, value: str, info: ValidationInfo) -> str:
        form, command = (_KEY, "key") if info.field_name == "api_keys" else (_USER, "user")
        names = set()
        for entry in value.split():
            name = entry.partition(":")[0]
            if not form.fullmatch(entry):
                # What follows the name may be the secret itself; so may what has no colon.
                shown = repr(name) if ":" in entry else "an entry"
                chinese = repr(name) if ":" in entry else "有一条"
                raise WrongValue(
                    f"{shown} is not followed by a hash; make an entry with "
                    f"'seacod access {command} NAME'",
                    f"{chinese} 后面没有哈希值；请用 seacod access {command} NAME 生成",
                )
            if name in names:
                raise WrongValue(
                    f"{name!r} is there twice; a name has one entry",
                    f"{name!r} 出现两次；每个名称只能有一条",
                )
            names.add(name)
        return value


def entries(text: str) -> list[tuple[str, str]]:
    """Name and hash of each entry."""
    return [(name, known) for name, _, known in (entry.partition(":") for entry in text.split())]
