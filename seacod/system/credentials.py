"""Keys of programs and passwords of people, as hashes that may stand in a configuration.

Keys are random and long, so one round of SHA-256 is enough; passwords are not, so they get scrypt
(RFC 7914; n=2^14, r=8, p=1: about 50 ms and 16 MB).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

KEY_PREFIX = "sk-seacod-"


def new_key() -> str:
    """A new key: 256 random bits, in a form that clients and people recognise as a key."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_key(key: str) -> str:
    """The entry of the configuration for a key."""
    return f"sha256${hashlib.sha256(key.encode()).hexdigest()}"


def hash_password(password: str, salt: bytes | None = None) -> str:
    """The entry of the configuration for a password, with a salt of its own."""
    salt = salt if salt is not None else secrets.token_bytes(16)
    derived = hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"), salt=salt, n=2**14, r=8, p=1, dklen=32
    )
    return f"scrypt${base64.b64encode(salt).decode()}${base64.b64encode(derived).decode()}"


def is_password(password: str, known: str) -> bool:
    """Whether a password belongs to a hash; takes the same time when it does not.

    Raises:
        ValueError: that is no hash of a password (the configuration takes none such).
    """
    _, salted, _ = known.split("$")
    salt = base64.b64decode(salted)
    return hmac.compare_digest(hash_password(password, salt), known)
