"""Results and errors as HTML. Everything that came from outside is escaped here."""

from __future__ import annotations

import html

from seacod.asr import assembly
from seacod.asr.service import Progress
from seacod.asr.transcript import Transcript
from seacod.web.texts import text

_WARNINGS = {
    assembly.NO_SPEECH: "warning_no_speech",
    assembly.RETRIED: "warning_retried",
    assembly.UNHEARD: "warning_unheard",
}


def progress(language: str, now: Progress | None) -> str:
    """How far a request is, with a bar."""
    if now is None:
        return _status(text(language, "state_sending"), None)
    if now.stage == "queued":
        return _status(text(language, "state_queued", position=max(1, now.queue_position)), None)
    if now.stage == "decoding":
        return _status(text(language, "state_decoding"), None)
    done, total = now.segments_done, now.segments_total
    share = now.share if now.share is not None else done / total if total else 0.0
    return _status(text(language, "state_recognising", done=done, total=total), share)


def done(language: str) -> str:
    return _status(text(language, "state_done"), 1.0)


def problem(language: str, sentence: str) -> str:
    """An error as a calm box that stays."""
    return (
        '<div class="sc-problem" role="alert">'
        f"<strong>{html.escape(text(language, 'failed'))}</strong>"
        f"<p>{html.escape(sentence)}</p></div>"
    )


def details(language: str, transcript: Transcript) -> str:
    """The figures, warnings, hotwords and sentences of a result."""
    factor = transcript.real_time_factor
    confidence = transcript.confidence
    facts = [
        ("confidence", "—" if confidence is None else f"{confidence:.0%}", "confidence_hint"),
        ("audio_length", _seconds(language, transcript.duration_seconds), None),
        ("processing_time", _seconds(language, transcript.processing_seconds), None),
        ("real_time_factor", "—" if factor is None else f"{factor:.3f}", None),
        ("queue_time", _seconds(language, transcript.queue_seconds), None),
        ("model", f"{transcript.model} · {transcript.device}", None),
    ]
    cells = "".join(
        f'<div{_title(language, hint)} id="sc-{key}"><dt>{html.escape(text(language, key))}</dt>'
        f"<dd>{html.escape(value)}</dd></div>"
        for key, value, hint in facts
    )
    return (
        f'<dl class="sc-facts">{cells}</dl>'
        + _warnings(language, transcript)
        + _hotwords(language, transcript)
        + _segments(language, transcript)
    )


def _status(sentence: str, share: float | None) -> str:
    bar = (
        '<div class="sc-bar sc-moving"><i></i></div>'
        if share is None
        else f'<div class="sc-bar"><i style="width:{share:.0%}"></i></div>'
    )
    return f'<div class="sc-status" role="status">{html.escape(sentence)}{bar}</div>'


def _title(language: str, key: str | None) -> str:
    return f' title="{html.escape(text(language, key))}"' if key else ""


def _seconds(language: str, value: float) -> str:
    return text(language, "seconds", value=f"{value:.2f}")


def _warnings(language: str, transcript: Transcript) -> str:
    return "".join(
        f'<p class="sc-warning">{html.escape(text(language, _WARNINGS[warning]))}</p>'
        for warning in transcript.warnings
        if warning in _WARNINGS
    )


def _hotwords(language: str, transcript: Transcript) -> str:
    if not transcript.hotwords:
        return ""
    items = "".join(
        f'<li class="sc-{report.status}"><b>{html.escape(report.word)}</b> '
        f"{html.escape(text(language, 'hotword_' + report.status))}</li>"
        for report in transcript.hotwords
    )
    return f'<ul class="sc-hotwords" aria-label="{text(language, "hotwords")}">{items}</ul>'


def _segments(language: str, transcript: Transcript) -> str:
    if not transcript.segments:
        return ""
    rows = "".join(
        f"<tr><td>{segment.start_seconds:.2f}</td><td>{segment.end_seconds:.2f}</td>"
        f"<td>{html.escape(segment.text)}</td>"
        f"<td>{'—' if segment.confidence is None else f'{segment.confidence:.0%}'}</td></tr>"
        for segment in transcript.segments
    )
    heads = "".join(
        f'<th scope="col">{html.escape(text(language, key))}</th>'
        for key in ("from", "to", "said", "confidence")
    )
    return (
        f'<table class="sc-segments"><caption>{html.escape(text(language, "segments"))}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )
