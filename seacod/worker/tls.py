"""What encrypts the port of FunASR's protocol: a certificate of the operator's, or one that the
service has made for itself. Used by `application.py`.

FunASR's clients do not look at who has signed it.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from seacod.config.secrets import find_secret, read_secret
from seacod.config.server import ServerSettings
from seacod.errors import CannotWrite, ConfigError, ConfigOutOfReach
from seacod.paths import Paths
from seacod.system.lasting import lasts_for_file
from seacod.system.net import self_made_certificate
from seacod.system.text.words import reason


def context(server: ServerSettings, paths: Paths) -> ssl.SSLContext | None:
    """What encrypts; None where nothing is to be.

    Raises:
        CannotWrite: that of the service cannot be made for now.
        ConfigError: that of the operator cannot be used.
    """
    if server.funasr_tls == "off":
        return None
    made = _with_certificate(server, paths)
    # Connections last, so that tickets to resume them save nothing. And they come while a client
    # sends its first message: one that reads and writes in two threads over OpenSSL, which bears
    # only one at a time, lost that message now and then (4 of 760 connections on a busy machine).
    made.num_tickets = 0
    return made


def _with_certificate(server: ServerSettings, paths: Paths) -> ssl.SSLContext:
    file = find_secret(server, "funasr_certificate_file")
    # Looks at who else may read it, and has it masked.
    if file is not None and read_secret(server, "funasr_certificate_file"):
        return _of(file)
    own = paths.state / "funasr-certificate.pem"
    try:
        return self_made_certificate.context(own)
    except OSError as error:
        why, chinese = reason(error)
        raise CannotWrite(f"{own}: {why}", f"{own}：{chinese}") from None


def _of(file: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # With a password that is none: OpenSSL would ask for one on the terminal.
        made.load_cert_chain(file, password="")
    except OSError as error:  # ssl.SSLError is one
        why, chinese = reason(error)
        raise (ConfigError if _is_bad(error) else ConfigOutOfReach)(
            f"server.funasr_certificate_file: {file}: {why}; it has to "
            "hold a certificate and its private key without a password, in PEM",
            f"server.funasr_certificate_file：{file}：{chinese}；"
            "文件须为 PEM 格式，包含证书及其不带密码的私钥",
        ) from None
    return made


def _is_bad(error: OSError) -> bool:
    """The file itself is no certificate, or not there; else it may be read at the next try."""
    return isinstance(error, ssl.SSLError) or lasts_for_file(error)
