"""What a setting and a section of settings are; the sections lie beside this file."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MIB = 1024 * 1024


def setting(default: Any, english: str, chinese: str, **limits: Any) -> Any:
    """A field with its description in both languages; `limits` are pydantic's (ge, le, ...)."""
    return Field(default, description=english, json_schema_extra={"zh": chinese}, **limits)


class Section(BaseModel):
    """Settings that belong together. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)
