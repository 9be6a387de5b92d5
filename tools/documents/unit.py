"""What of systemd/ follows from the code: the credentials that the unit hands over, the devices
that it lets through, how GPUs are counted for its limits of memory. And the secrets in
docs/security.md.
"""

from __future__ import annotations

import re
from pathlib import Path

from seacod.accelerators.registry import all_accelerators
from seacod.config.schema import SECRETS

_ROOT = Path(__file__).resolve().parents[2]


def service() -> str:
    """systemd/seacod.service with its credentials and devices anew."""
    text = (_ROOT / "systemd/seacod.service").read_text("utf-8")
    loaded = [f"LoadCredential={one}:seacod.{one}" for *_, one in SECRETS]
    groups = dict.fromkeys(group for one in all_accelerators() for group in one.device_groups)
    devices = [f"DeviceAllow=char-{group} rw" for group in groups]
    return _between(_between(text, "credentials", loaded), "devices", devices)


def memory_limits() -> str:
    """systemd/memory-limits with how it counts GPUs anew."""
    text = (_ROOT / "systemd/memory-limits").read_text("utf-8")
    # Of several vendors all are counted, which leaves room for more workers than there may be.
    counts = "; ".join(one.lists_with for one in all_accelerators())
    return _between(text, "count", [f'  workers="$({{ {counts}; }} 2>/dev/null | wc -l)"'])


def security() -> str:
    """docs/security.md with its table of secrets anew."""
    return _security("security.md", 0)


def chinese_security() -> str:
    """docs/zh/security.md with its table of secrets anew."""
    return _security("zh/security.md", 1)


def _security(name: str, language: int) -> str:
    rows = [
        ("| file in `/etc/credstore` | or the setting |", "| `/etc/credstore` 中的文件 | 或设置 |")[
            language
        ],
        "|---|---|",
        *(f"| `seacod.{secret}` | `{section}.{key}` |" for section, key, secret in SECRETS),
    ]
    page = (_ROOT / "docs" / name).read_text("utf-8")
    between = re.compile("(?<=<!-- secrets -->\n\n).*?(?=\n<!-- end of secrets -->)", re.DOTALL)
    return between.sub(lambda _: "\n".join(rows) + "\n", page)


def _between(text: str, mark: str, lines: list[str]) -> str:
    """What stands between `# NAME, by 'make generated'` and `# end of NAME`."""
    between = re.compile(f"(?<=# {mark}, by 'make generated'\n).*?(?=^ *# end of {mark}$)",
                         re.DOTALL | re.MULTILINE)  # fmt: skip
    written, times = between.subn(lambda _: "".join(f"{line}\n" for line in lines), text)
    if times != 1:
        raise ValueError(f"{mark}: {times} places for it")
    return written
