"""What models are called in the settings: short names, ids on ModelScope, directories. Whether one
is there is `models/registry.py`'s to find out."""

from __future__ import annotations

import difflib
import re

from seacod.system.text.words import WrongValue

BUILTIN = "builtin"
SILERO = "silero-vad"
PARAFORMER = "paraformer-zh"
# Short names and their ModelScope ids. The copy of paraformer-zh on another hub is the plain model
# without hotwords, so the id is spelled out.
HUB_IDS = {
    PARAFORMER: "iic/speech_seaco_paraformer_large_asr_nat-zh-cn-16k-common-vocab8404-pytorch",
    "fsmn-vad": "iic/speech_fsmn_vad_zh-cn-16k-common-pytorch",
    "ct-punc": "iic/punc_ct-transformer_cn-en-common-vocab471067-large",
}
# What each setting may be called, apart from ids and directories.
_OF_SETTING = {
    "model": (BUILTIN, PARAFORMER),
    "vad_model": ("auto", SILERO, "fsmn-vad"),
    "punctuation_model": ("auto", "none", "ct-punc"),
}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_directory(name: str) -> bool:
    """Whether a name is meant as a path."""
    return name.startswith(("/", "./", "../", "~"))


def is_hub_id(name: str) -> bool:
    """Whether a name has the form of a ModelScope id."""
    return _HUB_ID.fullmatch(name) is not None


def checked(name: str, key: str) -> str:
    """The name, if the setting may have it.

    Args:
        name: as it was given.
        key: of the section asr.

    Raises:
        ValueError: it is no name, id or directory; says what is nearest.
    """
    known = _OF_SETTING[key]
    if name in known or name in HUB_IDS or is_directory(name) or is_hub_id(name):
        return name
    near = difflib.get_close_matches(name.lower(), known, n=1)
    hint = f"; did you mean {near[0]}?" if near else ";"
    chinese = f"是否应为 {near[0]}？" if near else ""
    raise WrongValue(
        f"is {name!r:.80}, which is no model{hint} use {', '.join(known)}, a ModelScope id such as "
        "iic/NAME, or a directory (absolute, or beginning with ./)",
        f"值为 {name!r:.80}，没有这个模型；{chinese}可用 {'、'.join(known)}、ModelScope 模型名（如 "
        "iic/NAME）或目录（绝对路径，或以 ./ 开头）",
    )
