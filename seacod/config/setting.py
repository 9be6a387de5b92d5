"""What a setting and a section of settings are; each section has a file beside this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from seacod.system.text.words import Words

MIB = 1024 * 1024

# How a change takes effect: at a reload in the running processes, at a reload through a new worker
# that takes over, or only when the whole service starts again (addresses, directories).
Applies = Literal["live", "replace", "restart"]
APPLIES_WORDS: dict[Applies, tuple[str, str]] = {
    "live": ("on reload", "重载后立即生效"),
    "replace": ("on reload, by a new worker", "重载时更换识别进程后生效"),
    "restart": ("on restart", "重启服务后生效"),
}


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a setting says of itself besides type, default and limits.

    Args:
        english: what it is.
        chinese: the same.
        applies: how a change takes effect.
        credential: the systemd credential that comes before the file this setting names; empty
            where the setting names no file with a secret.
        form: what its pattern asks for, in words of both languages; empty without a pattern.
    """

    english: str
    chinese: str
    applies: Applies
    credential: str
    form: Words = ("", "")


def setting(
    default: Any,
    english: str,
    chinese: str,
    *,
    applies: Applies | None = None,
    credential: str = "",
    form: Words = ("", ""),
    between: tuple[float, float] | None = None,
    **limits: Any,
) -> Any:
    """A field that describes itself; see `Declaration`.

    Args:
        default: its value where nobody sets it.
        english: what it is, without a full stop.
        chinese: the same.
        applies: how a change takes effect; None for what its section says.
        credential: see `Declaration`; the descriptions then say that it comes first.
        form: what a value looks like; a `pattern` needs it, for whoever does not read those.
        between: the least and the greatest value, both allowed.
        limits: pydantic's (pattern, max_length, ...).
    """
    if credential:
        english += f"; the systemd credential {credential} comes first"
        chinese += f"；优先使用 systemd 凭据 {credential}"
    if all(form) != ("pattern" in limits):
        raise TypeError(f"{english}: a pattern and its form in words belong together")
    if between:
        limits["ge"], limits["le"] = between
    extra: dict[str, Any] = {
        "zh": chinese, "applies": applies, "credential": credential, "form": form
    }  # fmt: skip
    return Field(default, description=english, json_schema_extra=extra, **limits)


class Section(BaseModel):
    """Settings that belong together. Unknown keys are errors.

    `class GpuSettings(Section, applies="live", chinese="...")` says how changes of its settings
    take effect, where they do not say otherwise themselves, and what its docstring says in Chinese.
    """

    about_in_chinese: ClassVar[str] = ""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False
    )

    def __init_subclass__(
        cls, applies: Applies | None = None, chinese: str = "", **kwargs: Any
    ) -> None:
        super().__init_subclass__(**kwargs)
        if chinese:
            cls.about_in_chinese = chinese

    @classmethod
    def __pydantic_init_subclass__(
        cls, applies: Applies | None = None, chinese: str = "", **kwargs: Any
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for key, info in cls.model_fields.items():
            extra = info.json_schema_extra
            if isinstance(extra, dict):
                extra["applies"] = extra["applies"] or applies
                if extra["applies"] is None:
                    raise TypeError(f"{cls.__name__}.{key} does not say how a change takes effect")

    @classmethod
    def declared(cls, key: str) -> Declaration:
        """What a setting of this section says of itself."""
        info = cls.model_fields[key]
        extra: Any = info.json_schema_extra
        return Declaration(
            info.description or "",
            extra["zh"],
            extra["applies"],
            extra["credential"],
            extra["form"],
        )
