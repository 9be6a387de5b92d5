"""What somebody says about formats that leave a choice, as text fields: of forms, batches, archives
and microphones. Called by whoever takes requests; writes nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from seacod.errors import BadRequest
from seacod.formats.base import Choices, CueLimits
from seacod.system.text.switches import is_true

FIELDS = ("max_line_characters", "max_cue_seconds", "show_warnings")
# Of forms only: whoever draws a wave asks for it.
_PEAKS = "peaks"
GRANULARITIES = ("segment", "word")
_LINE_CHARACTERS = range(4, 201)
_CUE_SECONDS = (1.0, 60.0)


def given(fields: Mapping[str, str]) -> dict[str, str]:
    """The fields about formats that say something."""
    return {name: fields[name] for name in (*FIELDS, _PEAKS) if fields.get(name)}


def choices(fields: Mapping[str, str], granularities: Collection[str] = GRANULARITIES) -> Choices:
    """What somebody says about formats that leave a choice: how much a subtitle may have, whether
    texts begin with warnings and JSON has what a wave is drawn from.

    Args:
        fields: `FIELDS` of a form, or of what was kept of one; others are not looked at.
        granularities: what verbose_json holds.

    Raises:
        BadRequest: one of them means nothing.
    """
    switch = fields.get("show_warnings")
    shown = is_true("show_warnings", switch) if switch else None
    return Choices(
        granularities,
        _cue_limits(fields),
        shows_warnings=shown,
        wants_peaks=is_true(_PEAKS, fields.get(_PEAKS)),
    )


def _cue_limits(fields: Mapping[str, str]) -> CueLimits:
    """How much a subtitle may have: the fields `max_line_characters` and `max_cue_seconds`.

    Raises:
        BadRequest: one of them is no number, or none that makes sense.
    """
    limits = CueLimits()
    if text := fields.get("max_line_characters", "").strip():
        number = int(text[:6]) if text.isascii() and text.isdigit() else 0
        if number not in _LINE_CHARACTERS:
            least, most = _LINE_CHARACTERS[0], _LINE_CHARACTERS[-1]
            raise BadRequest(
                f"max_line_characters: use a whole number from {least} to {most}",
                f"max_line_characters：请填写 {least} 到 {most} 的整数",
            )
        limits = replace(limits, wide=number, narrow=number)
    if text := fields.get("max_cue_seconds", "").strip():
        least_seconds, most_seconds = _CUE_SECONDS
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not least_seconds <= seconds <= most_seconds:
            raise BadRequest(
                f"max_cue_seconds: use a number from {least_seconds:g} to {most_seconds:g}",
                f"max_cue_seconds：请填写 {least_seconds:g} 到 {most_seconds:g} 的数",
            )
        limits = replace(limits, seconds=seconds)
    return limits
