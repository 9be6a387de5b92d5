"""Alerts as words: subject, plain text, HTML, Markdown. No network.

Several messages that wait for the same channel become one.
"""

from __future__ import annotations

import datetime
import html
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seacod.alerts import chinese
from seacod.alerts.alert import Message
from seacod.alerts.kinds import KINDS, Severity

if TYPE_CHECKING:
    from seacod.config.alerts import AlertSettings

# What one message shows in full; the rest is counted.
_SHOWN = 20
_SHOWN_LINES = 40
# In a chat there is less room.
_MARKDOWN_FIGURES = 8
_COLORS = {Severity.INFO: "#0f766e", Severity.WARNING: "#b45309", Severity.CRITICAL: "#b91c1c"}

_T = {
    "recovered": ("recovered", "已恢复"),
    "more": ("and {n} more alerts, all in 'seacod alerts'", "另有 {n} 条告警，见 seacod alerts"),
    "several": ("{n} alerts", "{n} 条告警"),
    "times": ("{n} times", "共 {n} 次"),
    "before": ("{n} more since the last message", "自上次通知以来另有 {n} 次"),
    "do": ("What to do: seacod runbook {kind}", "处理办法：seacod runbook {kind} --language zh"),
    "page": ("page", "网页"),
    "dashboard": ("dashboard", "监控面板"),
    "foot": (
        "Sent by seacod on {name}. 'seacod alerts' lists what was sent; alerts.muted in the "
        "configuration switches a kind off.",
        "由 {name} 上的 seacod 发送。用 seacod alerts 查看历史；"
        "可在配置 alerts.muted 中关闭某类告警。",
    ),
    "picture": (
        "memory of the last ten minutes: the worker's (teal), the GPU's (amber), each against its "
        "own greatest value",
        "最近十分钟内存：识别进程（青色）、显存（琥珀色），各自按最大值缩放",
    ),
}


@dataclass(frozen=True, slots=True)
class Composed:
    """One message for people."""

    subject: str
    text: str
    html: str
    markdown: str
    severity: Severity


def machine_name(settings: AlertSettings) -> str:
    return settings.name or socket.gethostname()


def compose(messages: Sequence[Message], settings: AlertSettings) -> Composed:
    """All of `messages` as one.

    Args:
        messages: of one channel, oldest first; at least one.
        settings: language, name, links.
    """
    language, name = settings.language, machine_name(settings)
    severity = max((severity_of(m) for m in messages), key=list(Severity).index)
    subject = f"[seacod@{name}] {severity.word(language)}: {_title(messages, severity, language)}"
    rest = len(messages) - _SHOWN
    links = (
        (_say("page", language), settings.page_link),
        (_say("dashboard", language), settings.dashboard_link),
    )
    content = _Content(
        [_Entry.of(message, language) for message in messages[-_SHOWN:]],
        _say("more", language, n=rest) if rest > 0 else "",
        [(word, link) for word, link in links if link],
        _say("foot", language, name=name),
    )
    return Composed(
        subject=" ".join(subject.split())[:200],
        text=_plain(content),
        html=_page(content),
        markdown="\n".join([f"### {_unlinked(subject)}", "", *_markdown(content)]),
        severity=severity,
    )


def _title(messages: Sequence[Message], severity: Severity, language: str) -> str:
    if len(messages) == 1:
        return _head(messages[0], language)
    worst = next(message for message in messages if severity_of(message) is severity)
    return f"{_head(worst, language)} ({_say('several', language, n=len(messages))})"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One alert in the words of its readers.

    Args:
        head: its title.
        when: it was.
        words: what happened.
        color: of its severity.
        figures: of its evidence, each with its name.
        blocks: of lines, each with its name.
        to_do: how to find out what to do; empty where nothing is to be done.
    """

    head: str
    when: str
    words: str
    color: str
    figures: list[tuple[str, str]]
    blocks: list[tuple[str, list[str]]]
    to_do: str

    @classmethod
    def of(cls, message: Message, language: str) -> _Entry:
        alert = message.alert
        is_to_do = alert.kind in KINDS and not alert.is_recovery
        return cls(
            _head(message, language),
            _time(alert.at),
            alert.text.get(language) or alert.text["en"],
            _COLORS[severity_of(message)],
            *_split(alert.evidence, language),
            _say("do", language, kind=alert.kind) if is_to_do else "",
        )


@dataclass(frozen=True, slots=True)
class _Content:
    """What is in a message, whatever it is written in."""

    entries: list[_Entry]
    more: str
    links: list[tuple[str, str]]
    foot: str


def _plain(content: _Content) -> str:
    lines: list[str] = []
    for one in content.entries:
        lines += [f"{one.when}  {one.head}", one.words]
        lines += [f"  {key}: {value}" for key, value in one.figures]
        for key, block in one.blocks:
            lines += [f"  {key}:", *(f"    {line}" for line in block)]
        lines += filter(None, [one.to_do])
        lines.append("")
    lines += filter(None, [content.more])
    lines += [f"{word}: {link}" for word, link in content.links]
    return "\n".join([*lines, "", content.foot]) + "\n"


def _markdown(content: _Content) -> Iterator[str]:
    for one in content.entries:
        yield from (f"#### {_unlinked(one.head)}", one.when, "", _unlinked(one.words), "")
        if one.figures:
            figures = one.figures[:_MARKDOWN_FIGURES]
            yield from (_unlinked(f"- {key}: {value}") for key, value in figures)
            yield ""
        if one.to_do:
            yield from (one.to_do, "")
    if content.more:
        yield content.more
    for word, link in content.links:
        yield f"[{word}]({link})"


# What makes a link or a picture of somebody's name for a recording: [words](address), <address>.
_LINKING = re.compile(r"(?<=\])(?=[(\[:])|(?<=<)(?=[A-Za-z/!])")


def _unlinked(text: str) -> str:
    """The text in Markdown, without links of anybody's."""
    return _LINKING.sub(" ", text)


def _page(content: _Content) -> str:
    escaped = html.escape
    page = ['<!doctype html><html><body style="font-family:system-ui,sans-serif;font-size:14px">']
    for one in content.entries:
        page.append(
            f'<h2 style="font-size:16px;color:{one.color};margin:18px 0 4px">'
            f"{escaped(one.head)}</h2>"
            f'<p style="margin:0;color:#667">{one.when}</p>'
            f'<p style="margin:4px 0">{escaped(one.words)}</p>'
        )
        if one.figures:
            rows = "".join(
                f'<tr><td style="padding:1px 12px 1px 0;color:#667">{escaped(key)}</td>'
                f"<td>{escaped(value)}</td></tr>"
                for key, value in one.figures
            )
            page.append(f'<table style="font-size:13px">{rows}</table>')
        for key, block in one.blocks:
            shown = escaped("\n".join(block))
            page.append(
                f'<p style="margin:6px 0 0;color:#667;font-size:13px">{escaped(key)}</p>'
                '<pre style="font-size:12px;background:#f4f5f7;padding:8px;margin:2px 0">'
                f"{shown}</pre>"
            )
        if one.to_do:
            page.append(f'<p style="margin:4px 0">{escaped(one.to_do)}</p>')
    if content.more:
        page.append(f"<p>{escaped(content.more)}</p>")
    for word, link in content.links:
        page.append(f'<p style="margin:2px 0">{escaped(word)}: <a href="{escaped(link)}">'
                    f"{escaped(link)}</a></p>")  # fmt: skip
    foot = escaped(content.foot)
    page.append(f'<p style="color:#889;font-size:12px;margin-top:18px">{foot}</p></body></html>')
    return "".join(page)


def caption(language: str) -> str:
    """What the picture shows."""
    return _say("picture", language)


def severity_of(message: Message) -> Severity:
    if message.alert.is_recovery:
        return Severity.INFO
    kind = KINDS.get(message.alert.kind)
    return kind.severity if kind is not None else Severity.WARNING


def _head(message: Message, language: str) -> str:
    alert = message.alert
    kind = KINDS.get(alert.kind)
    words = [kind.title(language) if kind is not None else alert.kind]
    if alert.is_recovery:
        words.insert(0, _say("recovered", language) + ":")
    if alert.key:
        words.append(f"[{alert.key}]")
    if message.count > 1:
        words.append(f"({_say('times', language, n=message.count)})")
    if alert.repeated:
        words.append(f"({_say('before', language, n=alert.repeated)})")
    return " ".join(words)


def _split(
    evidence: dict[str, Any], language: str
) -> tuple[list[tuple[str, str]], list[tuple[str, list[str]]]]:
    """Figures, and blocks of lines, with names for people."""
    figures, blocks = [], []
    for key, value in evidence.items():
        if key.startswith("_") or value in (None, "", [], {}):
            continue
        is_chinese = language == "zh"
        name = chinese.label(key) if is_chinese else key.replace("_", " ")
        if isinstance(value, list):
            blocks.append((name, [str(line) for line in value][-_SHOWN_LINES:]))
        else:
            figures.append((name, chinese.value(evidence, key) if is_chinese else str(value)))
    return figures, blocks


def _say(key: str, language: str, **values: object) -> str:
    return _T[key][language == "zh"].format(**values)


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
