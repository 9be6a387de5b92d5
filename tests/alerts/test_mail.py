"""Mail to a real SMTP server: what it takes, and every way in which it does not."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from in_use import in_use
from receivers import PASSWORD, USER, MailServer, certificate

from seacod.alerts.alert import Alert, Message, Told
from seacod.alerts.channels.base import Undelivered
from seacod.alerts.channels.mail import Mail
from seacod.alerts.compose import compose
from seacod.alerts.delivery import Delivery
from seacod.alerts.outbox import Outbox
from seacod.config.alerts import AlertSettings


def message(number: int = 1, **alert: Any) -> Message:
    facts: dict[str, Any] = {
        "kind": "worker_crashed", "key": "", "at": time.time(),
        "text": {"en": "The worker ended: signal SIGKILL.", "zh": "识别进程已退出：SIGKILL。"},
        "evidence": {"restarts": 3, "last log lines": ["first line", "<b>last</b> line"]},
    }  # fmt: skip
    return Message(
        id=number, channel="mail", alert=Alert(**{**facts, **alert}), count=1, state="waiting",
        attempts=0, made_at=time.time(), due_at=0.0, done_at=None, answer="",
    )  # fmt: skip


@pytest.fixture
def settings(mail_server: MailServer, authority: Path, tmp_path: Path) -> dict[str, Any]:
    password = tmp_path / "password"
    password.write_text(PASSWORD + "\n")
    password.chmod(0o600)
    return {
        "name": "gpu-box",
        "mail_server": "localhost",
        "mail_port": mail_server.port,
        "mail_ca_file": authority,
        "mail_user": USER,
        "mail_password_file": password,
        "mail_from": "seacod@example.org",
        "mail_to": "one@example.org, two@example.org",
        "page_link": "https://asr.example.org/",
    }


def send(settings: dict[str, Any], *messages: Message) -> str:
    checked = AlertSettings(**settings)
    batch = messages or (message(),)
    return asyncio.run(Mail(checked).send(compose(batch, checked), batch))


def refusal(settings: dict[str, Any]) -> Undelivered:
    with pytest.raises(Undelivered) as caught:
        send(settings)
    assert PASSWORD not in caught.value.answer + caught.value.chinese
    return caught.value


def test_a_mail_arrives_whole(settings: dict[str, Any], mail_server: MailServer) -> None:
    assert "taken" in send(settings)
    (mail,) = mail_server.mails
    assert mail_server.receivers == [["one@example.org", "two@example.org"]]
    assert mail["Subject"] == "[seacod@gpu-box] 警告: 识别进程异常退出"
    assert mail["From"] == "seacod@example.org"
    assert mail["Message-ID"].startswith("<seacod-1-1-")
    plain = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    page = mail.get_body(("html",)).get_content()  # type: ignore[union-attr]
    for part in (plain, page):
        assert "识别进程已退出：SIGKILL。" in part
        assert "https://asr.example.org/" in part
        assert "first line" in part
    assert "<b>last</b>" not in page
    assert "&lt;b&gt;last" in page


def test_english(settings: dict[str, Any], mail_server: MailServer) -> None:
    send({**settings, "language": "en"}, message(kind="crash_loop"))
    (mail,) = mail_server.mails
    assert mail["Subject"] == "[seacod@gpu-box] CRITICAL: the recognition process does not start"
    assert mail["X-Priority"] == "1"


def test_several_alerts_are_one_mail(settings: dict[str, Any], mail_server: MailServer) -> None:
    many = [message(n, key=f"GPU {n}", kind="gpu_memory") for n in range(1, 31)]
    send(settings, *many, message(31, kind="crash_loop"))
    (mail,) = mail_server.mails
    assert "识别进程反复启动失败" in mail["Subject"]
    assert "31 条告警" in mail["Subject"]
    plain = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert "另有 11 条告警" in plain


def test_a_picture_comes_along(
    settings: dict[str, Any], mail_server: MailServer, tmp_path: Path
) -> None:
    picture = tmp_path / "memory.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    send(settings, message(evidence={"_picture": str(picture), "restarts": 1}))
    (mail,) = mail_server.mails
    images = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert [image.get_content() for image in images] == [b"\x89PNG\r\n\x1a\n"]
    (page,) = [part.get_content() for part in mail.walk() if part.get_content_subtype() == "html"]
    assert "cid:" in page
    assert str(picture) not in page


def test_nobody_listens(settings: dict[str, Any], mail_server: MailServer) -> None:
    mail_server.stop()
    error = refusal(settings)
    assert not error.is_final
    assert not error.is_ours


def test_greylisting_is_for_later(settings: dict[str, Any], mail_server: MailServer) -> None:
    mail_server.refuse_with = "451 4.7.1 come back later"
    error = refusal(settings)
    assert (error.is_final, error.is_ours) == (False, False)
    assert "451" in error.answer
    assert "come back later" in error.answer


def test_an_unknown_receiver_is_ours_to_mend(
    settings: dict[str, Any], mail_server: MailServer
) -> None:
    mail_server.refuse_with = "550 5.1.1 no such user"
    error = refusal(settings)
    assert (error.is_final, error.is_ours) == (True, True)
    assert "no such user" in error.answer


def test_a_wrong_password(
    settings: dict[str, Any], mail_server: MailServer, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("other-secret")
    wrong.chmod(0o600)
    error = refusal({**settings, "mail_password_file": wrong})
    assert error.is_ours
    assert "refuses the login of 'seacod'" in error.answer
    assert "other-secret" not in error.answer


def test_a_password_everybody_may_read(settings: dict[str, Any]) -> None:
    settings["mail_password_file"].chmod(0o644)
    error = refusal(settings)
    assert error.is_ours
    assert "chmod" in error.answer


def test_a_certificate_nobody_vouches_for(settings: dict[str, Any]) -> None:
    error = refusal({**settings, "mail_ca_file": None})
    assert error.is_ours
    assert "certificate" in error.answer.lower()


def test_a_certificate_for_another_name(settings: dict[str, Any], tmp_path: Path) -> None:
    other = MailServer(certificate(tmp_path, "other.example.org"))
    other.start()
    try:
        error = refusal(
            {
                **settings,
                "mail_port": other.port,
                "mail_ca_file": tmp_path / "other.example.org.pem",
            }
        )
    finally:
        other.stop()
    assert error.is_ours
    assert "certificate" in error.answer.lower() or "hostname" in error.answer.lower()


def test_a_server_without_starttls_gets_nothing(settings: dict[str, Any], authority: Path) -> None:
    plain = MailServer(authority, with_login=False, with_tls=False)
    plain.start()
    try:
        refusal({**settings, "mail_port": plain.port})
        assert not plain.mails
        # Unless the operator says so.
        send({**settings, "mail_port": plain.port, "mail_security": "none", "mail_user": ""})
        assert len(plain.mails) == 1
    finally:
        plain.stop()


def test_a_connection_that_breaks_in_the_data(
    settings: dict[str, Any], mail_server: MailServer
) -> None:
    mail_server.drop_in_data = 1
    error = refusal(settings)
    assert not error.is_final
    assert "taken" in send(settings)


def test_a_slow_server_is_waited_for_and_not_for_ever(
    settings: dict[str, Any], mail_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail_server.slow_seconds = 1.0
    assert "taken" in send(settings)
    monkeypatch.setattr("seacod.alerts.channels.mail._TIMEOUT_SECONDS", 0.5)
    mail_server.slow_seconds = 3.0
    error = refusal(settings)
    assert not error.is_final


def test_greeting_sends_nothing(settings: dict[str, Any], mail_server: MailServer) -> None:
    assert asyncio.run(Mail(AlertSettings(**settings)).greet())[0]
    assert not mail_server.mails


@pytest.mark.parametrize("code", [450, 550])
def test_one_of_two_who_is_refused_is_tried_again_and_the_other_is_not(
    settings: dict[str, Any], mail_server: MailServer, tmp_path: Path, code: int
) -> None:
    """Handed in as 09-mail-one-of-two.txt."""
    mail_server.refuse_with, mail_server.refuse_only = f"{code} not now", "two@example.org"
    error = refusal(settings)
    assert f"two@example.org: {code} not now" in error.answer
    assert error.reached == {"one@example.org"}
    # An address that is refused for good is for the operator to mend.
    assert (error.is_final, error.is_ours) == (code == 550, code == 550)
    assert mail_server.receivers == [["one@example.org"]]

    # What waits on the disk knows who has it, also in the next process.
    box = Outbox(tmp_path / "alerts.sqlite3")
    box.add(message().alert, Told(True, 0.0, 0.0, 0), ["mail"], 0.0)
    box.reached(box.waiting("mail"), error.reached)
    box.put_off([1], 0.0, error.answer)
    box.close()
    (kept,) = Outbox(tmp_path / "alerts.sqlite3").waiting("mail")
    mail_server.refuse_with = None
    assert "taken" in send(settings, kept)
    assert mail_server.receivers[1:] == [["two@example.org"]]
    # With something new beside it, everybody gets it.
    send(settings, kept, message(2))
    assert mail_server.receivers[2:] == [["one@example.org", "two@example.org"]]
    # The address was taken out of the list: nobody is left.
    assert send({**settings, "mail_to": "one@example.org"}, kept) == "all receivers have it"


def test_one_who_is_unknown_does_not_slow_down_one_who_is_greylisted(
    settings: dict[str, Any], mail_server: MailServer
) -> None:
    mail_server.refused = {"one@example.org": "450 later", "two@example.org": "550 nobody"}
    error = refusal(settings)
    assert "one@example.org: 450 later; two@example.org: 550 nobody" in error.answer
    assert (error.is_final, error.is_ours, error.reached) == (False, True, frozenset())


def test_who_has_a_mail_does_not_get_it_again_and_a_channel_that_works_again_is_told(
    settings: dict[str, Any], mail_server: MailServer, tmp_path: Path
) -> None:
    box, troubles = Outbox(tmp_path / "alerts.sqlite3"), []
    box.add(message().alert, Told(True, 0.0, 0.0, 0), ["mail"], 0.0)
    mails = AlertSettings(**settings)
    delivery = Delivery(
        box,
        in_use(alerts=mails),
        on_trouble=lambda *told: troubles.append(told),
        touch=lambda: None,
    )
    mail_server.refuse_with, mail_server.refuse_only = "550 nobody here", "two@example.org"
    asyncio.run(delivery.last_try(60))
    mail_server.refuse_with = None
    asyncio.run(delivery.last_try(60))
    asyncio.run(delivery.last_try(60))
    assert mail_server.receivers == [["one@example.org"], ["two@example.org"]]
    (name, problem), *later = troubles
    assert (name, later) == ("mail", [("mail", None)])
    assert "550 nobody here" in problem[0]


def test_an_outbox_of_the_version_before_is_used_on(tmp_path: Path) -> None:
    path = tmp_path / "alerts.sqlite3"
    with sqlite3.connect(path) as old:
        old.executescript(
            "CREATE TABLE message (id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, "
            "kind TEXT NOT NULL, key TEXT NOT NULL, made_at REAL NOT NULL, count INTEGER "
            "NOT NULL DEFAULT 1, body TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'waiting', "
            "attempts INTEGER NOT NULL DEFAULT 0, due_at REAL NOT NULL, done_at REAL, "
            "answer TEXT NOT NULL DEFAULT ''); PRAGMA user_version=1;"
        )
        body = '{"text": {"en": "x", "zh": "y"}, "is_recovery": false, "at": 1.0, '
        old.execute(
            "INSERT INTO message (channel, kind, key, made_at, body, due_at) "
            "VALUES ('mail', 'leak', '', 1, ?, 2)",
            (body + '"repeated": 0, "evidence": {}}',),
        )
    (waiting,) = Outbox(path).waiting("mail")
    assert (waiting.alert.kind, waiting.reached) == ("leak", frozenset())
    Outbox(path).reached([waiting], ["a@example.org"])
    assert Outbox(path).waiting("mail")[0].reached == {"a@example.org"}
