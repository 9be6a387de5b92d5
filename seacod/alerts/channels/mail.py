"""Mail through SMTP (aiosmtplib): STARTTLS, TLS or neither, with or without login."""

from __future__ import annotations

import contextlib
import email.utils
import ssl
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib

from seacod.alerts.channels.base import Undelivered
from seacod.alerts.compose import Composed, caption
from seacod.alerts.kinds import Severity
from seacod.alerts.outbox import Message
from seacod.config.alerts import AlertSettings, addresses
from seacod.config.secrets import read_secret
from seacod.errors import ConfigError

# Each step of the conversation.
_TIMEOUT_SECONDS = 30.0
_PORTS = {"starttls": 587, "tls": 465, "none": 25}


class Mail:
    """The channel `mail`."""

    name = "mail"

    def __init__(self, settings: AlertSettings) -> None:
        self._settings = settings

    async def send(self, composed: Composed, messages: Sequence[Message]) -> str:
        """Hand the message to the mail server; what it answered to the end of the data."""
        settings = self._settings
        message = build(composed, messages, settings)
        receivers = addresses(settings.mail_to)
        client = await self._connected()
        try:
            refused, answer = await client.sendmail(
                addresses(settings.mail_from)[0], receivers, message.as_bytes()
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [one.code for one in error.recipients]
            said = "; ".join(
                f"{one.recipient}: {one.code} {one.message}" for one in error.recipients
            )
            # 5xx is for good (RFC 5321, 4.2.1); greylisting says 4xx.
            is_final = all(code >= 500 for code in codes)
            raise Undelivered(said, is_final=is_final, is_ours=is_final) from None
        except aiosmtplib.SMTPResponseException as error:
            is_final = error.code >= 500
            raise Undelivered(
                f"{error.code} {error.message}", is_final=is_final, is_ours=is_final
            ) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Undelivered(_words(error)) from None
        finally:
            client.close()
        if refused:
            answer += "; not taken: " + ", ".join(
                f"{who}: {response.code} {response.message}" for who, response in refused.items()
            )
        return answer

    async def greet(self) -> str:
        """Connect, secure, log in and say nothing: whether mail could be sent.

        Raises:
            Undelivered: why not.
        """
        client = await self._connected()
        client.close()
        return "the mail server takes connections and the login"

    async def _connected(self) -> aiosmtplib.SMTP:
        settings = self._settings
        try:
            context = ssl.create_default_context(
                cafile=str(settings.mail_ca_file) if settings.mail_ca_file else None
            )
            password = read_secret(settings, "mail_password_file") if settings.mail_user else None
        except (ConfigError, OSError) as error:
            raise Undelivered(_words(error), is_ours=True) from None
        client = aiosmtplib.SMTP(
            hostname=settings.mail_server,
            port=settings.mail_port or _PORTS[settings.mail_security],
            timeout=_TIMEOUT_SECONDS,
            use_tls=settings.mail_security == "tls",
            start_tls=settings.mail_security == "starttls",
            tls_context=context,
        )
        try:
            await client.connect()
            if settings.mail_user:
                await client.login(settings.mail_user, password or "")
        except aiosmtplib.SMTPAuthenticationError as error:
            client.close()
            # The server may quote what it was given; its code says enough.
            raise Undelivered(
                f"{error.code}: the mail server refuses the login of {settings.mail_user!r}",
                is_ours=error.code >= 500,
            ) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            is_ours = "certificate" in str(error).lower() or "starttls" in str(error).lower()
            raise Undelivered(_words(error), is_ours=is_ours) from None
        return client


def build(composed: Composed, messages: Sequence[Message], settings: AlertSettings) -> EmailMessage:
    """The mail as it goes over the wire: plain text and HTML, a picture where there is one."""
    message = EmailMessage()
    message["Subject"] = composed.subject
    message["From"] = settings.mail_from
    message["To"] = ", ".join(addresses(settings.mail_to))
    message["Date"] = email.utils.formatdate(messages[-1].alert.at, localtime=True)
    # The same message again after a crash is the same message to a mail program.
    first, last = messages[0].id, messages[-1].id
    domain = settings.mail_from.rpartition("@")[2] or "localhost"
    message["Message-ID"] = f"<seacod-{first}-{last}-{int(messages[-1].made_at * 1000)}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    if composed.severity is Severity.CRITICAL:
        message["X-Priority"] = "1"
    message.set_content(composed.text)
    images = _pictures(messages)
    page = composed.html
    for cid, _ in images:
        words = caption(settings.language)
        page = page.replace(
            "</body>",
            f'<p style="color:#667;font-size:12px">{words}<br>'
            f'<img src="cid:{cid}" alt=""></p></body>',
        )
    message.add_alternative(page, subtype="html")
    html_part = message.get_payload()[1]  # type: ignore[index]
    for cid, data in images:
        html_part.add_related(data, "image", "png", cid=f"<{cid}>")  # type: ignore[union-attr]
    return message


def _pictures(messages: Sequence[Message]) -> list[tuple[str, bytes]]:
    """The newest picture, if any: name and PNG. One that is gone is no reason not to send."""
    for message in reversed(messages):
        path = message.alert.evidence.get("_picture")
        if path:
            with contextlib.suppress(OSError):
                return [(f"memory-{message.id}@seacod", Path(path).read_bytes())]
    return []


def _words(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text if not isinstance(error, TimeoutError) else f"no answer in time ({text})"
