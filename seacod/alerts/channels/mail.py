"""Mail through SMTP (aiosmtplib): STARTTLS, TLS or neither, with or without login."""

from __future__ import annotations

import contextlib
import email.utils
import re
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import field_validator, model_validator

from seacod.alerts.alert import Message
from seacod.alerts.channels.base import Channel, Undelivered
from seacod.alerts.compose import Composed, caption
from seacod.alerts.kinds import Severity
from seacod.config.setting import Section, setting
from seacod.system.processes.threads import on_thread
from seacod.system.text.words import Words, WrongValue, reason

if TYPE_CHECKING:
    # Imported where mail is sent: every process reads the settings.
    import aiosmtplib

# Each step of the conversation.
_TIMEOUT_SECONDS = 30.0
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
# What a mail server would refuse anyway; the full grammar of RFC 5322 is nobody's address.
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


def addresses(text: str) -> list[str]:
    """The mail addresses of a list with commas."""
    return [part.strip() for part in text.split(",") if part.strip()]


class MailKeys(Section, applies="live"):
    """Its part of the section `alerts`."""

    mail_server: str = setting(
        "",
        "Host name of the mail server; empty: no mail",
        "邮件服务器主机名；留空表示不发邮件",
        pattern=r"^[A-Za-z0-9._:-]*$",
        form=("a host name such as smtp.example.com", "smtp.example.com 这样的主机名"),
    )
    mail_port: int = setting(
        0,
        "Port of the mail server; 0: 587 for starttls, 465 for tls, 25 for none",
        "邮件服务器端口；0 表示 starttls 用 587，tls 用 465，none 用 25",
        ge=0,
        le=65535,
    )
    mail_security: Literal["starttls", "tls", "none"] = setting(
        "starttls",
        "starttls (refused by the server: not sent), tls from the first byte, or none",
        "starttls（服务器不支持则不发送）、tls（从首字节起加密）或 none（不加密）",
    )
    mail_ca_file: Path | None = setting(
        None,
        "Certificate authority of the mail server, where it is not a public one",
        "邮件服务器的 CA 证书，仅在不是公共 CA 时需要",
    )
    mail_user: str = setting(
        "", "Login at the mail server; empty: none", "邮件服务器的登录名；留空表示不登录"
    )
    mail_password_file: Path | None = setting(
        None,
        "File with the password of the mail server",
        "邮件服务器的密码文件",
        credential="smtp-password",
    )
    mail_from: str = setting("", "Sender of the messages", "发件人地址")
    mail_to: str = setting("", "Receivers, separated by commas", "收件人地址，多个用逗号分隔")

    @field_validator("mail_from", "mail_to")
    @classmethod
    def _mail_addresses(cls, value: str) -> str:
        for address in addresses(value):
            if not _ADDRESS.fullmatch(address):
                raise WrongValue(f"{address!r} is not a mail address", f"{address!r} 不是邮件地址")
        return value

    @model_validator(mode="after")
    def _whole_address(self) -> MailKeys:
        if self.mail_server and not (self.mail_to and self.mail_from):
            missing = "mail_to" if not self.mail_to else "mail_from"
            raise WrongValue(
                f"mail_server: needs alerts.{missing}, too",
                f"mail_server：还需要设置 alerts.{missing}",
            )
        if len(addresses(self.mail_from)) > 1:
            raise WrongValue("mail_from: must be one address", "mail_from：只能是一个地址")
        return self


class Mail(Channel[MailKeys]):
    """The channel `mail`."""

    name = "mail"
    about = ("mail through an SMTP server", "经 SMTP 服务器发送邮件")
    switch = "mail_server"
    keys = MailKeys

    @staticmethod
    def elsewhere(host: str, port: int) -> dict[str, str | int]:
        """Settings that name another server, for a drill."""
        return {"mail_server": host, "mail_port": port}

    async def send(self, composed: Composed, messages: Sequence[Message]) -> str:
        """Hand the message to the mail server; what it answered to the end of the data."""
        import aiosmtplib

        settings = self.own
        message = build(composed, messages, settings, caption(self.settings.language))
        # Who has all of it already is not sent it again; whoever lacks a part gets the whole.
        have_all = frozenset.intersection(*(one.reached for one in messages))
        receivers = [one for one in addresses(settings.mail_to) if one not in have_all]
        if not receivers:
            return "all receivers have it"
        client = await self._connected()
        try:
            refused, answer = await client.sendmail(
                addresses(settings.mail_from)[0], receivers, message.as_bytes()
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            everybody = {one.recipient: (one.code, one.message) for one in error.recipients}
            raise _not_taken(everybody, receivers) from None
        except aiosmtplib.SMTPResponseException as error:
            is_final = error.code >= 500
            raise Undelivered(
                f"{error.code} {error.message}", is_final=is_final, is_ours=is_final
            ) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Undelivered(*_words(error)) from None
        finally:
            client.close()
        if refused:
            raise _not_taken(refused, receivers)
        return answer

    async def greet(self) -> Words:
        """Connect, secure, log in and say nothing: whether mail could be sent.

        Raises:
            Undelivered: why not.
        """
        client = await self._connected()
        client.close()
        return "the mail server takes connections and the login", "邮件服务器接受连接与登录"

    def problems(self) -> Iterator[tuple[str, Words]]:
        """Names that must exist, files that must be there."""
        own = self.own
        if own.mail_server:
            try:
                socket.getaddrinfo(own.mail_server, own.mail_port or 25)
            except OSError:
                yield (
                    "mail_server",
                    (
                        f"{own.mail_server!r}: there is no such host",
                        f"{own.mail_server!r}：没有这个主机",
                    ),
                )
        if own.mail_ca_file is not None and not own.mail_ca_file.is_file():
            yield (
                "mail_ca_file",
                (
                    f"{own.mail_ca_file}: there is no such file",
                    f"{own.mail_ca_file}：没有这个文件",
                ),
            )

    async def _connected(self) -> aiosmtplib.SMTP:
        import aiosmtplib

        settings = self.own
        try:
            context = ssl.create_default_context(
                cafile=str(settings.mail_ca_file) if settings.mail_ca_file else None
            )
        except OSError as error:
            raise Undelivered(*_words(error), is_ours=True) from None
        password = self.secret("mail_password_file") if settings.mail_user else None
        own_name = await _names(settings.mail_server)
        client = aiosmtplib.SMTP(
            local_hostname=own_name,
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
                f"{error.code}：邮件服务器拒绝 {settings.mail_user!r} 登录",
                is_ours=error.code >= 500,
            ) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            is_ours = "certificate" in str(error).lower() or "starttls" in str(error).lower()
            raise Undelivered(*_words(error), is_ours=is_ours) from None
        return client


def build(
    composed: Composed, messages: Sequence[Message], settings: MailKeys, picture_words: str
) -> EmailMessage:
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
        page = page.replace(
            "</body>",
            f'<p style="color:#667;font-size:12px">{picture_words}<br>'
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


async def _names(server: str) -> str:
    """Our own name for the greeting, once the server's can be looked up.

    On a thread that keeps nothing from ending: asyncio would ask a name server that hangs on one
    that is waited for when the process ends.

    Raises:
        Undelivered: the server's name is unknown.
    """

    def look_up() -> str:
        socket.getaddrinfo(server, None)
        name = socket.getfqdn()
        return name if name.isascii() and name.isprintable() and " " not in name else "localhost"

    try:
        return await on_thread("seacod-names", look_up)
    except (OSError, UnicodeError) as error:
        why, chinese = reason(error)
        raise Undelivered(f"{server}: {why}", f"{server}：{chinese}") from None


def _not_taken(refused: Mapping[str, tuple[int, str]], receivers: Sequence[str]) -> Undelivered:
    """Why some or all of the receivers did not get it, with the server's answer to each."""
    said = "; ".join(f"{who}: {code} {message}" for who, (code, message) in refused.items())
    # 5xx is for good (RFC 5321, 4.2.1); greylisting says 4xx.
    final = [code >= 500 for code, _ in refused.values()]
    reached = frozenset(receivers) - frozenset(refused)
    return Undelivered(
        f"not taken for {said}" if reached else said,
        f"以下收件人未接收：{said}" if reached else said,
        is_final=all(final),
        is_ours=any(final),
        reached=reached,
    )


def _words(error: BaseException) -> Words:
    text = str(error) or type(error).__name__
    chinese = reason(error)[1]
    if isinstance(error, TimeoutError):
        return f"no answer in time ({text})", "未及时响应"
    # Where nothing better is known, what the library says says more than its kind.
    return text, f"邮件服务器：{text if chinese == type(error).__name__ else chinese}"


CHANNEL = Mail
