"""Secrets that this process has read, masked wherever text leaves it: log, alerts, dossiers.

`config/secrets.py` tells each secret it reads; `logs.py`, the alerts' tries and the worker's output
ask. A net under care, not instead of it: whoever writes a sentence still leaves secrets out.
"""

from __future__ import annotations

import base64
import json
import re
import urllib.parse
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

MASK = "****"
# A shorter text is no secret that could be kept, and would be masked in every second word.
_SHORTEST = 4
# Parts of an address: shorter ones are words such as `send` or `robot`.
_SHORTEST_PART = 6
# In Base64 five characters less are certain.
_SHORTEST_INSIDE = 8
# Secrets change; those of long ago are forgotten.
_REMEMBERED = 1024

_forms: OrderedDict[str, None] = OrderedDict()
_known: tuple[str, ...] = ()


def remember(secret: str) -> None:
    """Mask this secret from now on, and every part of it that is a secret by itself.

    Args:
        secret: a password, a token, an address that holds one; or several, one a line.
    """
    global _known
    new = [form for line in secret.splitlines() for form in _forms_of(line.strip())]
    if all(form in _forms for form in new):
        return
    for form in new:
        _forms[form] = None
        _forms.move_to_end(form)
    while len(_forms) > _REMEMBERED:
        _forms.popitem(last=False)
    _known = tuple(_forms)


def masked(text: str) -> str:
    """The text without any secret this process knows."""
    shown: list[str] = []
    until = 0
    for begins, ends in sorted(span for form in _known for span in _spans(form, text)):
        # Secrets that overlap or meet have one mask: what is left of either would be a part of it.
        if begins > until or not shown:
            shown += [text[until:begins], MASK]
        until = max(until, ends)
    return "".join(shown) + text[until:]


def _spans(form: str, text: str) -> Iterator[tuple[int, int]]:
    """Where a form stands in a text, also where it overlaps itself."""
    at = text.find(form)
    while at >= 0:
        yield at, at + len(form)
        at = text.find(form, at + 1)


def masked_deep(value: Any) -> Any:
    """Mask all texts in a value; what is neither text nor figure becomes a text."""
    if isinstance(value, str):
        return masked(value)
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, dict):
        return {str(key): masked_deep(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [masked_deep(inner) for inner in value]
    return masked(str(value))


def without_credentials(text: str) -> str:
    """A text that may hold an address with a password, which nobody has told us of, without it."""
    text = _USER.sub(rf"\1{MASK}@", text)
    return _NAMED.sub(rf"\1{MASK}", text)


# What stands between a user's name and the @ of an address.
_USER = re.compile(r"([^\s/@:'\"]*:)[^\s@]+@")
# Letters and digits; neither a word nor a number.
_SHORT_TOKEN = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z]).{4,}")
_NAMED = re.compile(r"(?i)((?:password|passwd|secret|token)\s*=\s*)[^\s&'\"]+")


def _forms_of(line: str) -> Iterator[str]:
    """Every way in which this secret may be written."""
    for part in {line, *_parts(line)}:
        if len(part) < _SHORTEST:
            continue
        yield from {
            part,
            urllib.parse.unquote(part),
            urllib.parse.quote(part),
            urllib.parse.quote(part, safe=""),
            urllib.parse.quote_plus(part),
            json.dumps(part)[1:-1],
            json.dumps(part, ensure_ascii=False)[1:-1],
            repr(part)[1:-1],
            *_in_base64(part),
        }


def _in_base64(text: str) -> Iterator[str]:
    """As it looks inside something in Base64 (logins of HTTP and SMTP): whatever stands before it,
    one of three alignments, of which the characters in the middle depend on it alone."""
    data = text.encode()
    yield base64.b64encode(data).decode().rstrip("=")
    if len(data) < _SHORTEST_INSIDE:
        return
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + data).decode().rstrip("=")
        yield encoded[(4 if before else 0) : -1]


def _parts(line: str) -> Iterator[str]:
    """The secrets inside an address; nothing of what is none."""
    if "://" not in line:
        return
    rest = line.partition("://")[2]
    try:
        address = urllib.parse.urlsplit(line)
        host = address.hostname or ""
    except ValueError:
        yield rest
        return
    target = rest[len(address.netloc) :]
    if len(target) >= _SHORTEST_PART:
        yield target
    login = address.netloc.rpartition("@")[0]
    password = login.partition(":")[2] or login
    if len(password) >= _SHORTEST:
        yield password
    # The host of many of Apprise's addresses is the token; one on the internet has a dot.
    if len(host) > _SHORTEST_PART and "." not in host and host != "localhost":
        yield from (host, address.netloc.rpartition("@")[2].partition(":")[0])
    segments = [one for one in address.path.split("/") if len(one) >= _SHORTEST_PART]
    for segment in segments:
        if segment == segments[-1] or not (segment.isalpha() and segment.islower()):
            yield segment
    for pair in re.split("[&;]", address.query):
        value = pair.partition("=")[2] or pair
        if len(value) >= _SHORTEST_PART or _SHORT_TOKEN.fullmatch(value):
            yield value
    if len(address.fragment) >= _SHORTEST_PART:
        yield address.fragment
