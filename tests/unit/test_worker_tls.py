"""What encrypts the port of FunASR's protocol (`worker/tls.py`)."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from seacod.config.server import ServerSettings
from seacod.errors import CannotWrite, ConfigError
from seacod.paths import Paths
from seacod.worker import tls

Pipe = tuple[ssl.SSLObject, ssl.MemoryBIO, ssl.MemoryBIO]


def end(context: ssl.SSLContext, *, is_server: bool) -> Pipe:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    return context.wrap_bio(incoming, outgoing, server_side=is_server), incoming, outgoing


def carry(from_end: Pipe, to_end: Pipe) -> bytes:
    sent = from_end[2].read()
    to_end[1].write(sent)
    return sent


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path, tmp_path, tmp_path, tmp_path)


@pytest.mark.parametrize("is_own", [True, False])
def test_nothing_is_sent_while_a_client_says_its_first_word(paths: Paths, is_own: bool) -> None:
    """A client that reads and writes in two threads over OpenSSL loses that word by it."""
    if not is_own:
        tls.context(ServerSettings(), paths)
        own = paths.state / "funasr-certificate.pem"
        given = own.rename(paths.state / "operator.pem")
        settings = ServerSettings(funasr_certificate_file=given)
    else:
        settings = ServerSettings()
    context = tls.context(settings, paths)
    assert context is not None
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.verify_mode = ssl.CERT_NONE
    client, server = end(trusting, is_server=False), end(context, is_server=True)
    is_through = False
    while not is_through:
        try:
            client[0].do_handshake()
            is_through = True
        except ssl.SSLWantReadError:
            pass
        carry(client, server)
        try:
            server[0].do_handshake()
        except ssl.SSLWantReadError:
            carry(server, client)
    assert client[0].version() == "TLSv1.3"
    assert carry(server, client) == b""


def test_it_can_be_off(paths: Paths) -> None:
    assert tls.context(ServerSettings(funasr_tls="off"), paths) is None


def test_a_certificate_that_finds_no_room_is_tried_again(tmp_path: Path) -> None:
    """It ended the first start of a service with 78, after which systemd starts it no more."""
    missing = Paths(tmp_path / "missing", tmp_path, tmp_path, tmp_path)
    with pytest.raises(CannotWrite, match=r"funasr-certificate\.pem: No such file"):
        tls.context(ServerSettings(), missing)
    broken = tmp_path / "operator.pem"
    broken.touch(mode=0o600)
    broken.write_text("no certificate")
    with pytest.raises(ConfigError, match="has to hold a certificate"):
        tls.context(ServerSettings(funasr_certificate_file=broken), missing)
