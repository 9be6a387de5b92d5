"""A certificate that nobody has signed but ourselves, made once and kept with its key in one file.

For clients that want TLS and do not ask who it is from. Several processes may call it at once:
they get the same one.
"""

from __future__ import annotations

import datetime
import os
import secrets
import socket
import ssl
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

_YEARS = 10
_KEY_BITS = 2048


def context(file: Path) -> ssl.SSLContext:
    """A server's TLS with the certificate in this file, which is made if it is not there or is no
    good any more.

    Raises:
        OSError: it can neither be read nor made.
    """
    try:
        return _loaded(file)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        log.info("certificate_made", file=str(file), cause="" if missing else str(error))
        _make(file, replace=not missing)
        return _loaded(file)


def _loaded(file: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(file)
    return made


def _make(file: Path, *, replace: bool) -> None:
    """Write it beside its place, and put it there unless another process was first."""
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as written:
            written.write(_pem())
        if replace:
            draft.replace(file)
        else:
            os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink(missing_ok=True)


def _pem() -> bytes:
    # It takes a moment to import, and is needed once in the life of an installation.
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import NameOID

    host = socket.gethostname()[:64] or "localhost"
    key = rsa.generate_private_key(65537, _KEY_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    names = [x509.DNSName(one) for one in dict.fromkeys((host, "localhost"))]
    # A clock that is a little behind must not call it too young.
    begins = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + datetime.timedelta(days=365 * _YEARS))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
