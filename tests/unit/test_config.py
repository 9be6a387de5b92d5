"""The configuration says what is wrong, where, and what was meant."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from seacod.cli.parser import make_parser
from seacod.config.asr import AsrSettings
from seacod.config.keys import leaves, variable_name
from seacod.config.load import load_settings
from seacod.config.render import example, facts, show
from seacod.config.schema import SECRETS, SECTIONS, Settings
from seacod.config.secrets import read_secret
from seacod.config.setting import APPLIES_WORDS, Section, setting
from seacod.errors import EX_CONFIG, EX_OK, EX_OSERR, BadRequest, ConfigClosed, ConfigError

ROOT = Path(__file__).resolve().parents[2]


def refusal(tmp_path: Path, text: str, **environment: str) -> list[str]:
    """The lines with which a configuration is refused, the file's path cut off."""
    file = tmp_path / "seacod.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(file, environment=environment)
    assert caught.value.exit_code == EX_CONFIG
    return [line.replace(f"{file}:", "") for line in caught.value.message.splitlines()]


def test_the_shipped_file_is_the_generated_one() -> None:
    shipped = (ROOT / "etc" / "seacod.yaml").read_text(encoding="utf-8")
    assert shipped == example(), "run: seacod config example > etc/seacod.yaml"


def test_the_shipped_file_means_the_defaults() -> None:
    assert load_settings(ROOT / "etc" / "seacod.yaml", environment={}) == Settings()


def test_every_key_of_the_shipped_file_can_be_uncommented(tmp_path: Path) -> None:
    names = {path[-1] for path in leaves()}
    lines = []
    for line in example().splitlines():
        key = line.strip().removeprefix("#").partition(":")[0]
        lines.append(line.replace("#", "", 1) if line.startswith("  #") and key in names else line)
    text = "\n".join(lines)
    assert len(list(leaves())) == sum(len(v) for v in yaml.safe_load(text).values())
    file = tmp_path / "all.yaml"
    file.write_text(text, encoding="utf-8")
    assert load_settings(file, environment={}) == Settings()


def test_every_key_is_described_in_both_languages() -> None:
    for section, key in leaves():
        said = SECTIONS[section].declared(key)
        assert said.english and said.chinese


def test_every_key_of_the_shipped_file_says_how_it_takes_effect() -> None:
    said = [words for line in example().splitlines() for words in APPLIES_WORDS.values()
            if line.endswith(" ".join(words) + "]")]  # fmt: skip
    assert len(said) == len(list(leaves()))


def test_a_setting_that_does_not_say_how_it_takes_effect_is_refused_when_it_is_written() -> None:
    with pytest.raises(TypeError, match="Silent.key does not say how a change takes effect"):

        class Silent(Section):
            key: int = setting(1, "a number", "数字")


def test_a_setting_says_everything_of_itself_in_its_declaration() -> None:
    class Example(Section, applies="live"):
        password_file: Path | None = setting(None, "A file", "文件", credential="example")
        length: int = setting(3, "A length", "长度", ge=1, applies="replace")

    assert Example.declared("password_file").applies == "live"
    assert "credential example comes first" in Example.declared("password_file").english
    assert facts(Example, "length") == (
        "default: 3; at least 1; takes effect on reload, by a new worker",
        "默认：3；最小 1；重载时更换识别进程后生效",
    )


def test_each_section_says_in_chinese_what_it_is_for() -> None:
    assert [name for name, section in SECTIONS.items() if not section.about_in_chinese] == []


def test_the_unit_loads_each_secret_and_the_documents_name_it() -> None:
    unit = (ROOT / "systemd" / "seacod.service").read_text("utf-8")
    security = (ROOT / "docs" / "security.md").read_text("utf-8")
    credentials = {credential for *_, credential in SECRETS}
    loaded = re.findall(r"^LoadCredential=(.*)$", unit, re.MULTILINE)
    assert set(loaded) == {f"{one}:seacod.{one}" for one in credentials}
    assert set(re.findall(r"`seacod\.([a-z-]+)`", security)) >= credentials


def test_an_unknown_key_names_the_line_and_the_nearest_right_key(tmp_path: Path) -> None:
    assert refusal(tmp_path, "server:\n  # comment\n  prot: 1\n") == [
        "3: server.prot: unknown key; did you mean server.port?"
    ]


def test_a_key_in_the_wrong_section_is_sent_to_the_right_one(tmp_path: Path) -> None:
    assert refusal(tmp_path, "server:\n  queue_length: 3\n") == [
        "2: server.queue_length: unknown key; did you mean limits.queue_length?"
    ]


def test_an_unknown_section_names_the_nearest(tmp_path: Path) -> None:
    assert refusal(tmp_path, "limts:\n  queue_length: 3\n") == [
        "1: limts: unknown key; did you mean limits?"
    ]


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    lines = refusal(
        tmp_path, "server:\n  port: many\nlimits:\n  queue_length: 0\nlog:\n  level: loud\n"
    )
    assert lines == [
        "2: server.port: is 'many'; it must be a whole number",
        "4: limits.queue_length: is 0; it must be greater than or equal to 1",
        "6: log.level: is 'loud'; it must be 'debug', 'info', 'warning' or 'error'",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", "is 'yes'; it must be a whole number"),
        ("1:30", "is '1:30'; it must be a whole number"),
        ("1:01:30", "is '1:01:30'; it must be a whole number"),
        ("2026-11-26", "is '2026-11-26'; it must be a whole number"),
        ("0755", "is 0755, which some programs read as octal; write it without leading zeros"),
        ("0x1e", "is '0x1e'; it must be a whole number"),
        ("0o17", "is '0o17'; it must be a whole number"),
        ("!!int 1:30", "is '1:30'; it must be a whole number"),
        ("[1]", "is ['1']; it must be a whole number"),
    ],
)
def test_a_number_is_what_is_typed_and_not_what_yaml_makes_of_it(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert refusal(tmp_path, f"server:\n  port: {text}\n") == [f"2: server.port: {expected}"]


@pytest.mark.parametrize(
    "given", ["postgresql://anna:open-sesame@db/jobs", '["token=open-sesame"]']
)
def test_a_password_in_the_wrong_place_is_not_repeated(tmp_path: Path, given: str) -> None:
    (line,) = refusal(tmp_path, f"server:\n  port: {given}\n")
    assert line.startswith("2: server.port: is ") and "***" in line
    assert "open-sesame" not in line


@pytest.mark.parametrize("text", ["1:30", ".inf", ".nan", "inf", "nan", "on"])
def test_seconds_are_a_number_that_has_an_end(tmp_path: Path, text: str) -> None:
    (line,) = refusal(tmp_path, f"alerts:\n  cool_down_seconds: {text}\n")
    assert line.startswith("2: alerts.cool_down_seconds: is ")
    assert "must be a" in line


@pytest.mark.parametrize(
    "text", ["on", "off", "yes", "No", "true", "0755", "1:30", "2026-11-26", "1.10", "1e3", "12"]
)
def test_a_text_is_what_is_typed(tmp_path: Path, text: str) -> None:
    file = tmp_path / "seacod.yaml"
    file.write_text(f"alerts:\n  name: {text}\n")
    assert load_settings(file, environment={}).alerts.name == text


def test_a_choice_called_on_or_off_needs_no_quotes(tmp_path: Path) -> None:
    file = tmp_path / "seacod.yaml"
    file.write_text("asr:\n  tune: off\n  inverse_text_normalisation: on\n")
    settings = load_settings(file, environment={}).asr
    assert (settings.tune, settings.inverse_text_normalisation) == ("off", "on")


def test_what_is_empty_is_not_a_text(tmp_path: Path) -> None:
    file = tmp_path / "seacod.yaml"
    file.write_text("log:\n  file: ~\npaths:\n  temp_directory: null\n")
    settings = load_settings(file, environment={})
    assert (settings.log.file, settings.paths.temp_directory) == (None, None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("asr: {model: parafomer-zh}", "asr.model: is 'parafomer-zh', which is no model; did you "
         "mean paraformer-zh? use builtin, paraformer-zh, a ModelScope id such as iic/NAME, or a "
         "directory (absolute, or beginning with ./)"),
        ("asr: {model: Builtin}", "did you mean builtin?"),
        ("asr: {vad_model: fsmn_vad}", "asr.vad_model: is 'fsmn_vad', which is no model; did you "
         "mean fsmn-vad?"),
        ("asr: {punctuation_model: ctpunc}", "did you mean ct-punc?"),
        ("asr: {model: something}", "which is no model; use builtin"),
        ("asr: {device: cdua}", "asr.device: is 'cdua'; it must be auto, cpu, cuda or cuda:N; did "
         "you mean cuda?"),
        ("asr: {precision: float61}", "; did you mean float16?"),
        ("supervisor: {workers: many}", "is 'many'; it must be auto or a number from 1 to 64"),
        ("server: {root_path: asr/}", "it must be a path such as /asr, without a slash at its end"),
        ("results: {database: mysql://x}", "an address such as postgresql://USER@HOST/DATABASE"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_a_sentence_with_what_is_nearest(
    tmp_path: Path, text: str, expected: str
) -> None:
    (line,) = refusal(tmp_path, f"{text}\n")
    assert expected in line
    assert "pattern" not in line


def test_a_setting_with_a_pattern_says_in_words_what_it_asks_for() -> None:
    with pytest.raises(TypeError, match="belong together"):
        setting("", "a text", "文字", applies="live", pattern="^x$")
    for section, key in leaves():
        info = SECTIONS[section].model_fields[key]
        has_pattern = any(getattr(one, "pattern", None) for one in info.metadata)
        assert all(SECTIONS[section].declared(key).form) == has_pattern, (section, key)


@pytest.mark.parametrize(
    "name",
    ["iic/speech_paraformer", "./models/x", "/srv/model", "~/model", "paraformer-zh", "builtin"],
)
def test_ids_and_directories_are_names_of_models(name: str) -> None:
    assert AsrSettings(model=name).model == name


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "seacod.yaml"
    file.write_text("\ufeffserver:\n  port: 7999\n", encoding="utf-8")
    assert load_settings(file, environment={}).server.port == 7999


def test_a_file_that_this_user_may_not_read_is_no_mistake_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "seacod.yaml"
    file.write_text("")

    def closed(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied", str(file))

    # As root may read everything.
    monkeypatch.setattr(Path, "read_text", closed)
    with pytest.raises(ConfigClosed, match="this user may not read it"):
        load_settings(file, environment={})


def test_an_impossible_combination_names_the_key_and_line(tmp_path: Path) -> None:
    (line,) = refusal(tmp_path, "server:\n  port: 8000\n", SEACOD_METRICS_PORT="8000")
    assert line.startswith("environment variable SEACOD_METRICS_PORT: metrics.port: 8000 is also")


def test_recordings_lie_outside_only_of_a_database_that_nodes_share(tmp_path: Path) -> None:
    (line,) = refusal(tmp_path, "results:\n  recordings: /mnt/batches\n")
    assert "results.recordings: is for batches that nodes share" in line
    (line,) = refusal(tmp_path, "results:\n  recordings: batches/here\n")
    assert "a directory such as /mnt/batches, or s3://BUCKET/PREFIX" in line


def test_an_impossible_combination_within_a_section_names_key_and_line(tmp_path: Path) -> None:
    text = "supervisor:\n  backoff_initial_seconds: 9\n  backoff_max_seconds: 3\n"
    assert refusal(tmp_path, text) == [
        "3: supervisor.backoff_max_seconds: must not be less than "
        "supervisor.backoff_initial_seconds"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("server: [1, 2\n", "not valid YAML"),
        ("- a\n- b\n", "1: expected sections"),
        ("server: 7\n", "1: server: is a section"),
        ("server:\n  port: 1\n  port: 2\n", "3: server.port: is set twice"),
        ("server:\n  port:\n", "2: server.port: is empty; it must be a whole number"),
    ],
)
def test_broken_files_are_refused_in_one_line(tmp_path: Path, text: str, expected: str) -> None:
    (line,) = refusal(tmp_path, text)
    assert expected in line


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    assert load_settings(tmp_path / "empty.yaml", environment={}) == Settings()


def test_environment_overrides_the_file_and_options_override_both(tmp_path: Path) -> None:
    file = tmp_path / "seacod.yaml"
    file.write_text("server:\n  port: 1000\n  host: a\nlimits:\n  queue_length: 5\n")
    settings = load_settings(
        file,
        environment={"SEACOD_SERVER_PORT": "2000", "SEACOD_SERVER_HOST": "b"},
        options={"server.port": 3000, "asr.model": None},
    )
    assert (settings.server.port, settings.server.host, settings.limits.queue_length) == (
        3000,
        "b",
        5,
    )


def test_a_mistyped_variable_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean SEACOD_SERVER_PORT?"):
        load_settings(environment={"SEACOD_SERVER_PRT": "1"})


def test_an_empty_variable_clears_a_path() -> None:
    settings = load_settings(environment={"SEACOD_LOG_FILE": "", "SEACOD_SERVER_ROOT_PATH": ""})
    assert settings.log.file is None
    assert settings.server.root_path == ""


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such configuration file"):
        load_settings(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="is no plain file"):
        load_settings(tmp_path)


def test_one_that_cannot_be_read_for_now_is_tried_again() -> None:
    with pytest.raises(ConfigError, match="cannot be read: Input/output error") as told:
        load_settings(Path("/proc/self/mem"))
    assert told.value.exit_code == EX_OSERR


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fall_over(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    file.write_bytes(data)
    try:
        load_settings(file, environment={})
    except ConfigError as error:
        assert str(file) in error.message


def test_show_names_the_variable_and_masks_the_secret(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("ms-very-secret\n")
    token.chmod(0o600)
    text = show(load_settings(environment={"SEACOD_ASR_HUB_TOKEN_FILE": str(token)}))
    assert "port: 7860" in text
    assert variable_name(("server", "port")) in text
    assert "hub-token: ********" in text
    assert "very-secret" not in text


def test_a_credential_comes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hub-token").write_text("from-systemd")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    settings = AsrSettings(hub_token_file=tmp_path / "other")
    assert read_secret(settings, "hub_token_file") == "from-systemd"


def test_a_secret_everybody_can_read_is_refused(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x")
    token.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod o-rwx"):
        read_secret(AsrSettings(hub_token_file=token), "hub_token_file")


def test_a_trial_does_not_take_the_installed_services_file(tmp_path: Path) -> None:
    installed = tmp_path / "installed.yaml"
    installed.write_text("server: {port: 1234}\n")
    assert load_settings(environment={}, default_file=installed).server.port == 1234
    assert load_settings(environment={}, default_file=None).server.port == 7860


def test_a_file_is_named_by_itself_or_as_with_other_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, wrong = tmp_path / "good.yaml", tmp_path / "wrong.yaml"
    good.write_text("limits: {queue_length: 9}\n")
    wrong.write_text("server: {port: 1:30}\n")
    for typed in ([str(good)], ["--config", str(good)]):
        options = make_parser().parse_args(["config", "check", *typed])
        assert options.run(options) == EX_OK
        assert str(good) in capsys.readouterr().out
        options = make_parser().parse_args(["config", "show", *typed])
        assert options.run(options) == EX_OK
        assert "queue_length: 9" in capsys.readouterr().out
    for typed in ([str(wrong)], ["--config", str(wrong)]):
        options = make_parser().parse_args(["config", "check", *typed])
        with pytest.raises(ConfigError, match="server.port: is '1:30'"):
            options.run(options)
    options = make_parser().parse_args(["config", "check", str(good), "--config", str(wrong)])
    with pytest.raises(BadRequest, match="name one file"):
        options.run(options)
