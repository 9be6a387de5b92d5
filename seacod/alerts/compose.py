"""Alerts as words: subject, plain text, HTML, Markdown. No network.

Several messages that wait for the same channel become one.
"""

from __future__ import annotations

import datetime
import html
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from seacod.alerts import chinese
from seacod.alerts.kinds import KINDS, Severity
from seacod.alerts.outbox import Message

if TYPE_CHECKING:
    from seacod.config.alerts import AlertSettings

# What one message shows in full; the rest is counted.
_SHOWN = 20
_SHOWN_LINES = 40

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
    language = settings.language
    name = machine_name(settings)
    severity = max((severity_of(m) for m in messages), key=list(Severity).index)
    heads = [_head(message, language) for message in messages]
    title = heads[-1] if len(messages) == 1 else _say("several", language, n=len(messages))
    if len(messages) > 1:
        worst = next(h for m, h in zip(messages, heads, strict=True) if severity_of(m) is severity)
        title = f"{worst} ({title})"
    shown = messages[-_SHOWN:]
    rest = len(messages) - len(shown)
    links = [
        (_say("page", language), settings.page_link),
        (_say("dashboard", language), settings.dashboard_link),
    ]
    links = [(word, link) for word, link in links if link]
    text: list[str] = []
    page: list[str] = []
    mark: list[str] = []
    for message, head in zip(shown, heads[-_SHOWN:], strict=True):
        words = message.alert.text.get(language) or message.alert.text["en"]
        when = _time(message.alert.at)
        text += [f"{when}  {head}", words]
        mark += [f"#### {head}", f"{when}", "", words, ""]
        color = _COLORS[severity_of(message)]
        page.append(
            f'<h2 style="font-size:16px;color:{color};margin:18px 0 4px">{html.escape(head)}</h2>'
            f'<p style="margin:0;color:#667">{when}</p>'
            f'<p style="margin:4px 0">{html.escape(words)}</p>'
        )
        figures, lines = _split(message.alert.evidence, language)
        if figures:
            text += [f"  {key}: {value}" for key, value in figures]
            mark += [f"- {key}: {value}" for key, value in figures[:8]] + [""]
            rows = "".join(
                f'<tr><td style="padding:1px 12px 1px 0;color:#667">{html.escape(key)}</td>'
                f"<td>{html.escape(value)}</td></tr>"
                for key, value in figures
            )
            page.append(f'<table style="font-size:13px">{rows}</table>')
        for key, block in lines:
            text += [f"  {key}:"] + [f"    {line}" for line in block]
            shown_block = html.escape("\n".join(block))
            page.append(
                f'<p style="margin:6px 0 0;color:#667;font-size:13px">{html.escape(key)}</p>'
                '<pre style="font-size:12px;background:#f4f5f7;padding:8px;margin:2px 0">'
                f"{shown_block}</pre>"
            )
        if message.alert.kind in KINDS and not message.alert.is_recovery:
            do = _say("do", language, kind=message.alert.kind)
            text.append(do)
            mark += [do, ""]
            page.append(f'<p style="margin:4px 0">{html.escape(do)}</p>')
        text.append("")
    if rest:
        more = _say("more", language, n=rest)
        text.append(more)
        page.append(f"<p>{html.escape(more)}</p>")
        mark.append(more)
    for word, link in links:
        text.append(f"{word}: {link}")
        page.append(f'<p style="margin:2px 0">{html.escape(word)}: <a href="{html.escape(link)}">'
                    f"{html.escape(link)}</a></p>")  # fmt: skip
        mark.append(f"[{word}]({link})")
    foot = _say("foot", language, name=name)
    text += ["", foot]
    page.append(f'<p style="color:#889;font-size:12px;margin-top:18px">{html.escape(foot)}</p>')
    subject = f"[seacod@{name}] {severity.word(language)}: {title}"
    body = "".join(page)
    return Composed(
        subject=" ".join(subject.split())[:200],
        text="\n".join(text) + "\n",
        html='<!doctype html><html><body style="font-family:system-ui,sans-serif;font-size:14px">'
        f"{body}</body></html>",
        markdown="\n".join([f"### {subject}", "", *mark]),
        severity=severity,
    )


_COLORS = {Severity.INFO: "#0f766e", Severity.WARNING: "#b45309", Severity.CRITICAL: "#b91c1c"}


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
            figures.append((name, chinese.value(key, str(value)) if is_chinese else str(value)))
    return figures, blocks


def _say(key: str, language: str, **values: object) -> str:
    return _T[key][language == "zh"].format(**values)


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
