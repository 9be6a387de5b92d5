"""Secrets and entries of the configuration: which are taken, what is said of the others, and that
none of it shows one."""

from __future__ import annotations

from pathlib import Path

import pytest

from seacod.config.changes import applied, compare
from seacod.config.load import load_settings
from seacod.config.reach import check
from seacod.config.schema import SECTIONS, Settings
from seacod.config.secrets import ENV_CREDENTIALS, read_secret
from seacod.errors import ConfigError
from seacod.system import credentials
from seacod.system.text import masking

KEY = f"{credentials.KEY_PREFIX}{'k' * 43}"
ENTRY = f"robot:{credentials.hash_key(KEY)}"


def secret(tmp_path: Path, text: str, mode: int = 0o600) -> Settings:
    file = tmp_path / "address"
    file.write_text(text)
    file.chmod(mode)
    return Settings.model_validate({"alerts": {"webhook_url_file": file}})


def read(settings: Settings) -> str | None:
    return read_secret(settings.alerts, "webhook_url_file")


def test_a_secret_has_no_line_break_and_is_masked_from_then_on(tmp_path: Path) -> None:
    assert read(secret(tmp_path, "https://hook.example/robot/t0ken-77a\r\n")) == (
        "https://hook.example/robot/t0ken-77a"
    )
    assert "t0ken-77a" not in masking.masked("it said t0ken-77a")


def test_where_an_object_store_is_stays_readable_in_messages_and_who_asks_does_not(
    tmp_path: Path,
) -> None:
    file = tmp_path / "access"
    file.write_text(
        "AWS_ENDPOINT_URL=https://minio.nowhere.example:9000\nexport AWS_REGION = north-7\n"
        "AWS_SECRET_ACCESS_KEY=s3cret-0f-st0re\n"
    )
    file.chmod(0o600)
    settings = Settings.model_validate({"results": {"recordings_access_file": file}})
    assert read_secret(settings.results, "recordings_access_file")
    said = "https://minio.nowhere.example:9000 in north-7 does not answer"
    assert masking.masked(said) == said
    line = "AWS_SECRET_ACCESS_KEY=s3cret-0f-st0re"
    assert "s3cret" not in masking.masked(line)


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [("", 0o600, "is empty"), ("\n", 0o600, "is empty"), ("x", 0o604, "chmod o-rwx")],
)
def test_a_secret_that_is_none_is_said(tmp_path: Path, text: str, mode: int, words: str) -> None:
    settings = secret(tmp_path, text, mode)
    with pytest.raises(ConfigError, match=words):
        read(settings)
    with pytest.raises(ConfigError, match=words):
        check(settings, None, [])


@pytest.mark.parametrize(
    ("content", "secret"),
    [
        (b"\xef\xbb\xbfs3cret\r\n", "s3cret"),
        (b"\xef\xbb\xbf\xe5\xaf\x86\xe7\xa0\x81\n", "密码"),
        ("s3cret\n".encode("utf-16"), None),
    ],
)
def test_what_an_editor_of_another_system_puts_in_front_is_no_part_of_a_secret(
    tmp_path: Path, content: bytes, secret: str | None
) -> None:
    """Of UTF-8; what is no UTF-8 is told."""
    file = tmp_path / "secret"
    file.write_bytes(content)
    file.chmod(0o600)
    settings = Settings.model_validate({"alerts": {"mail_password_file": file}}).alerts
    if secret is None:
        with pytest.raises(ConfigError, match="is not text"):
            read_secret(settings, "mail_password_file")
    else:
        assert read_secret(settings, "mail_password_file") == secret


def test_the_credential_comes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = secret(tmp_path, "https://file.example")
    monkeypatch.setenv(ENV_CREDENTIALS, str(tmp_path))
    (tmp_path / "webhook-url").write_text("https://credential.example\n")
    assert read(settings) == "https://credential.example"


def test_a_log_that_cannot_be_written_is_said_before_the_first_line(tmp_path: Path) -> None:
    settings = Settings.model_validate({"log": {"file": tmp_path}})
    with pytest.raises(ConfigError, match=r"log\.file"):
        check(settings, None, [])


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (f"robot:{KEY}", "'robot' is not followed by a hash"),
        (KEY, "an entry is not followed by a hash"),
        (f"{ENTRY} {ENTRY}", "'robot' is there twice"),
        (ENTRY + "0", "'robot' is not followed by a hash"),
    ],
)
def test_an_entry_that_is_none_is_said_without_what_may_be_the_key(keys: str, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_settings(options={"access.api_keys": keys}, environment={}, default_file=None)
    assert words in refused.value.message
    assert KEY not in refused.value.message


def test_a_password_in_the_wrong_place_is_not_shown(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("server:\n  port: https://me:pass-word-9@proxy.example\n")
    with pytest.raises(ConfigError) as refused:
        load_settings(file, environment={})
    assert "server.port" in refused.value.message
    assert "pass-word-9" not in refused.value.message


def test_every_mistake_is_said_at_once(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("server:\n  prot: 1\nasr:\n  modle: x\n")
    with pytest.raises(ConfigError) as refused:
        load_settings(file, environment={"SEACOD_NO_SUCH": "1"})
    assert [word in refused.value.message for word in ("prot", "modle", "NO_SUCH")] == [True] * 3
    assert len(refused.value.message.splitlines()) == 3


def test_a_key_that_was_revoked_opens_nothing_after_a_reload() -> None:
    """A worker is made with the keys; so a change of them brings another one."""
    before = Settings.model_validate({"access": {"api_keys": ENTRY}})
    changed = compare(before, Settings())
    assert changed.replace == ("access.api_keys",)
    assert {applied(f"access.{key}") for key in SECTIONS["access"].model_fields} <= {
        "live", "replace",
    }  # fmt: skip


def test_a_section_takes_no_key_that_it_does_not_know() -> None:
    for section, model in SECTIONS.items():
        with pytest.raises(ValueError, match="no_such_key"):
            model.model_validate({"no_such_key": 1})
        assert section
