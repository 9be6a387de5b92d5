"""Section `access`."""

from __future__ import annotations

import re

from pydantic import field_validator

from seacod.config.setting import Section, setting

# A name and the hash of a secret, as seacod/system/credentials.py makes it.
_ENTRY = re.compile(r"[A-Za-z0-9._@-]{1,64}:(sha256|scrypt)\$[A-Za-z0-9+/=$]{20,200}")


class AccessSettings(Section, applies="replace"):
    """Who may use page and API. Empty: everybody who reaches the port."""

    api_keys: str = setting(
        "",
        "Hashed keys of programs, NAME:HASH separated by blanks; 'seacod access key NAME' makes "
        "one. The keys themselves never stand here",
        "程序使用的密钥（哈希值），格式 名称:哈希，以空格分隔；由 seacod access key 名称 生成",
    )
    users: str = setting(
        "",
        "People who may log in at the page and the API, NAME:HASH separated by blanks; 'seacod "
        "access user NAME' makes one",
        "可登录网页与 API 的用户，格式 名称:哈希，以空格分隔；由 seacod access user 名称 生成",
    )
    cors_origins: str = setting(
        "",
        "Web pages of other origins that may call the API, such as https://example.com, separated "
        "by blanks; empty: none",
        "允许跨域调用 API 的来源，例如 https://example.com，以空格分隔；留空表示不允许",
        pattern=r"^(\*|(https?://\S+\s*)*)$",
    )

    @field_validator("api_keys", "users")
    @classmethod
    def _entries(cls, value: str) -> str:
        for entry in value.split():
            if not _ENTRY.fullmatch(entry):
                raise ValueError(
                    f"{entry.partition(':')[0]!r} is not followed by a hash; make an entry with "
                    "'seacod access key NAME' or 'seacod access user NAME'"
                )
        return value
