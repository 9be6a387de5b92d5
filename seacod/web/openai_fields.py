"""Fields as OpenAI's clients, and programs written for them, send them. Pure; used by
`routes/openai.py` and `routes/realtime.py`.

Whatever has no meaning for this service is remarked upon, not refused: programs send what they
always send. What names something that does not exist (a model, a granularity) is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from seacod.errors import BadRequest, NotFound
from seacod.formats.base import OutputFormat
from seacod.formats.languages import language_name
from seacod.formats.registry import all_formats
from seacod.transcript import TranscriptWarning

DIARIZE = "gpt-4o-transcribe-diarize"
# OpenAI's own models of this kind, with and without a date.
_THEIRS = re.compile(
    r"whisper-1|gpt-(4o-|realtime-)?(mini-)?(transcribe|whisper)(-diarize)?(-[\d-]+)?"
)
_OURS = "seacod"
_GRANULARITIES = ("segment", "word")
_INCLUDES = ("logprobs",)
# Languages that leave it to the service, as programs write that.
_ANY = frozenset({"", "auto", "null", "none", "undefined", "detect", "auto-detect", "nil", "any"})
_CHINESE = frozenset(
    {"cn", "cmn", "chi", "zho", "chinese", "mandarin", "中文", "汉语", "国语", "普通话"}
)
_CHINESE_TAG = re.compile(r"(zh|cmn|zho|chinese|mandarin)([-_ (].*)?")


class ModelNames:
    """The names by which the one model there is may be asked for.

    Args:
        aliases: names besides OpenAI's own, with `*` for any letters (server.model_aliases).
        own: the model's.
    """

    def __init__(self, aliases: str, own: str) -> None:
        self._aliases = aliases.lower().split()
        self._own = own

    def check(self, name: str) -> None:
        """
        Raises:
            NotFound: nobody may mean ours by this name.
        """
        # Of `iic/SenseVoiceSmall` and `./models/paraformer` the last part is the name.
        plain = name.strip().lower()
        last = plain.rstrip("/").rpartition("/")[2]
        if name == self._own or plain == _OURS or _THEIRS.fullmatch(plain):
            return
        if any(fnmatchcase(one, alias) for alias in self._aliases for one in (plain, last)):
            return
        raise NotFound(
            f"there is no model {name[:60]!r} here; use {self._own!r} (GET /v1/models lists it), "
            "or have the operator add the name to server.model_aliases",
            f"没有模型 {name[:60]}，请使用 {self._own}；管理员可将该名称加入 server.model_aliases",
        )


def several(lists: Mapping[str, Sequence[str]], name: str) -> list[str]:
    """The values of a field that may come more than once: as `name`, `name[]` or `name[0]`, or one
    text with commas."""
    values = [one for key, many in lists.items() if key.partition("[")[0] == name for one in many]
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


def granularities(lists: Mapping[str, Sequence[str]]) -> list[str]:
    """What verbose_json is to hold; sentences where nothing is said.

    Raises:
        BadRequest: there is no such granularity.
    """
    return _chosen("timestamp_granularities", lists, _GRANULARITIES) or ["segment"]


def wants_log_probabilities(lists: Mapping[str, Sequence[str]]) -> bool:
    """Whether JSON is to have them.

    Raises:
        BadRequest: something else is to be included.
    """
    return "logprobs" in _chosen("include", lists, _INCLUDES)


def remarks(
    lists: Mapping[str, Sequence[str]], wanted: OutputFormat, language: str
) -> list[TranscriptWarning]:
    """What of a form is known and has no meaning here.

    Args:
        lists: its fields.
        wanted: the format it asks for.
        language: `Recogniser.language`.
    """

    def given(name: str) -> bool:
        return any(key.partition("[")[0] == name and any(lists[key]) for key in lists)

    given_languages = [*lists.get("language", ()), *several(lists, "languages")]
    found = language_remarks(given_languages, language)
    if any(value.strip() not in ("", "0", "0.0") for value in lists.get("temperature", ())):
        found.append(_unread("temperature", "this model has none", "本模型没有该参数"))
    for name, what in (("timestamp_granularities", ""), ("include", "logprobs")):
        if given(name) and name not in wanted.reads:
            having = [one.name for one in all_formats() if one.render_openai and name in one.reads]
            english, chinese = " or ".join(having), "、".join(having)
            found.append(
                _unread(
                    f"{name}[]",
                    f"only response_format={english} has {what or 'them'}",
                    f"仅 response_format={chinese} 支持{f' {what}' if what else ''}",
                )
            )
    for name in ("known_speaker_names", "known_speaker_references"):
        if given(name):
            found.append(
                _unread(
                    f"{name}[]",
                    "speakers are told apart, not recognised",
                    "仅区分说话人，不识别身份",
                )
            )
    if given("chunking_strategy") and lists.get("chunking_strategy") != ["auto"]:
        found.append(
            _unread(
                "chunking_strategy", "the service decides itself where to cut", "切分由服务自行决定"
            )
        )
    return found


def language_remarks(given: Iterable[str], language: str) -> list[TranscriptWarning]:
    """A warning for each language that this service does not know.

    Args:
        given: as clients write them.
        language: what the model writes, `Recogniser.language`.
    """
    english, chinese = language_name(language)
    return [
        TranscriptWarning(
            "language",
            f"language {one.strip()[:20]!r}: this model recognises {english}, and was not told "
            "otherwise",
            f"language {one.strip()[:20]}：本模型识别{chinese}，该设置未生效",
        )
        for one in given
        if not _is_meant(one.strip().lower(), language)
    ]


def _is_meant(given: str, language: str) -> bool:
    """Whether somebody means this language, or leaves it open."""
    if given in _ANY:
        return True
    if language == "zh":
        return given in _CHINESE or _CHINESE_TAG.fullmatch(given) is not None
    name = language_name(language)[0].lower()
    return re.split(r"[-_ ]", given)[0] in (language, name)


def _chosen(name: str, lists: Mapping[str, Sequence[str]], allowed: Sequence[str]) -> list[str]:
    found = several(lists, name)
    for value in found:
        if value not in allowed:
            raise BadRequest(
                f"{name}[]: there is no {value[:40]!r}; use {' or '.join(allowed)}",
                f"{name}[]：不支持 {value[:40]}，可用：{'、'.join(allowed)}",
            )
    return found


def _unread(name: str, english: str, chinese: str) -> TranscriptWarning:
    return TranscriptWarning(
        "ignored_field", f"the field {name!r} was not read: {english}",
        f"字段 {name} 未被读取：{chinese}",
    )  # fmt: skip
