"""The place of a text: what can be done with it, the text, the player below it.

The scripts are in `static/transcript/`. Each tab that shows texts has one, with its own prefix.
"""

from __future__ import annotations

from html import escape

from seacod.formats import registry
from seacod.web.page.tabs.icons import icon
from seacod.web.page.texts import both

SPEEDS = ("0.5", "0.75", "1", "1.25", "1.5", "1.75", "2", "2.5", "3")
SIZES = ("small", "normal", "large", "huge")


def transcript(prefix: str) -> str:
    """Toolbar, search, text (static/transcript/transcript.js)."""
    return f"""
    <div id="{prefix}-transcript" class="sc-transcript">
      <div id="{prefix}-take" class="sc-tools" role="group" data-label="tr_tools" hidden>
        {_tool("edit", "tr_edit_long", "tr_edit", ' aria-pressed="false"')}
        {_tool("undo", "tr_undo_long")}
        {_tool("redo", "tr_redo_long")}
        {_tool("find", "tr_find_long")}
        {_view(prefix)}
        <span class="sc-tools-gap"></span>
        <span data-done role="status" aria-live="polite"></span>
        {_tool("copy", "tr_copy_long", "copy")}
        {_exports()}
        {_tool("keys", "tr_keys_long")}
      </div>
      {_find(prefix)}
      <p class="sc-hint sc-editing-hint" id="{prefix}-editing-hint"
        hidden>{both("tr_edit_hint")}</p>
      <div id="{prefix}-text" class="sc-text" tabindex="0" role="group" data-label="text"
        data-empty="text_placeholder"></div>
      <button type="button" id="{prefix}-follow" class="sc-follow"
        hidden>{both("tr_follow")}</button>
    </div>"""


def player(prefix: str) -> str:
    """The player, which stays at the bottom of the window (static/transcript/player.js)."""
    speeds = "".join(f'<option value="{one}">{one}×</option>' for one in SPEEDS)
    return f"""
    <div id="{prefix}-player" class="sc-player" role="group" data-label="tr_player" hidden>
      <div id="{prefix}-wave" class="sc-wave" role="slider" tabindex="0" data-label="tr_position"
        aria-valuemin="0" aria-valuenow="0"><canvas></canvas></div>
      <div class="sc-player-row">
        <button type="button" data-do="back" data-label="tr_back">{icon("back")}</button>
        <button type="button" id="{prefix}-play" class="sc-play" data-label="play" disabled>
          {icon("play", "sc-icon-play")}{icon("pause", "sc-icon-pause")}</button>
        <button type="button" data-do="forward" data-label="tr_forward">{icon("forward")}</button>
        <span class="sc-clock"><span id="{prefix}-clock">0:00</span>
          <span class="sc-total">/ <span data-total>0:00</span></span></span>
        <span class="sc-player-name" data-name></span>
        <label class="sc-speed"><span class="sc-offscreen">{both("tr_speed")}</span>
          <select data-do="speed">{speeds}</select></label>
      </div>
      <p class="sc-hint" data-mute hidden>{both("tr_mute")}</p>
    </div>"""


def keys_help() -> str:
    """The list of keys, once for all tabs (static/transcript/keys.js)."""
    rows = "".join(
        f"<dt>{_keys(keys)}</dt><dd>{both(what)}</dd>"
        for keys, what in (
            ("Space", "tr_key_play"), ("← →", "tr_key_seek"), ("↑ ↓", "tr_key_sentence"),
            ("[ ]", "tr_key_speed"), ("E", "tr_key_edit"), ("Ctrl F", "tr_key_find"),
            ("Ctrl Z", "tr_key_undo"), ("Enter", "tr_key_split"), ("Backspace", "tr_key_join"),
            ("Ctrl Enter", "tr_key_play_editing"), ("Esc", "tr_key_end"), ("?", "tr_key_help"),
        )
    )  # fmt: skip
    return f"""
    <dialog id="sc-keys" class="sc-keys" aria-labelledby="sc-keys-title">
      <h2 id="sc-keys-title" class="sc-label">{both("tr_keys")}</h2>
      <dl>{rows}</dl>
      <form method="dialog"><button class="sc-primary">{both("tr_close")}</button></form>
    </dialog>"""


def _keys(written: str) -> str:
    return "".join(f"<kbd>{escape(key)}</kbd>" for key in written.split())


def library(prefix: str) -> str:
    """What this browser keeps (static/transcript/library.js)."""
    days = "".join(
        f'<option value="{count}" data-days="{count}"></option>' for count in (7, 30, 90, 0)
    )
    return f"""
    <details id="{prefix}-library" class="sc-library" hidden>
      <summary><span class="sc-label">{both("tr_library")}</span></summary>
      <p class="sc-hint">{both("tr_library_hint")}</p>
      <ul class="sc-recordings"></ul>
      <p class="sc-library-foot">
        <label>{both("tr_keep")} <select data-do="days">{days}</select></label>
        <button type="button" class="sc-small" data-do="clear">{both("tr_delete_all")}</button></p>
    </details>"""


def _tool(does: str, label: str, name: str | None = None, state: str = "") -> str:
    shown = f"<span>{both(name)}</span>" if name else ""
    return (
        f'<button type="button" class="sc-tool" data-do="{does}" data-label="{label}"{state}>'
        f"{icon(does)}{shown}</button>"
    )


def _exports() -> str:
    offered = "".join(
        f'<li><a href="#" data-do="{one.name}" data-title="format_{one.name}" download>'
        f"{one.ending[1:].upper()}</a> "
        f'<span class="sc-hint">{both(f"format_{one.name}")}</span></li>'
        for one in registry.on_page()
    )
    return f"""
    <details class="sc-menu sc-export"><summary class="sc-tool" data-label="tr_export_long">
      {icon("export")}<span>{both("tr_export")}</span></summary>
      <ul class="sc-menu-box">{offered}</ul></details>"""


def _view(prefix: str) -> str:
    sizes = "".join(
        f'<label title="{one}"><input type="radio" name="{prefix}-size" value="{one}">'
        f'<span class="sc-size-{one}">A</span></label>'
        for one in SIZES
    )
    return f"""
    <details class="sc-menu sc-view"><summary class="sc-tool" data-label="tr_view_long">
      {icon("view")}</summary>
      <div class="sc-menu-box">
        <label><input type="checkbox" id="{prefix}-paragraphs"> {both("tr_paragraphs")}</label>
        <label><input type="checkbox" id="{prefix}-times"> {both("tr_times")}</label>
        <label><input type="checkbox" id="{prefix}-shade"> {both("shade_confidence")}</label>
        <fieldset><legend>{both("tr_size")}</legend>{sizes}</fieldset>
      </div></details>"""


def _find(prefix: str) -> str:
    return f"""
    <form id="{prefix}-find" class="sc-find" role="search" hidden>
      <input type="search" data-do="wanted" data-label="tr_find_long" data-placeholder="tr_find">
      <span data-count role="status" aria-live="polite"></span>
      <button type="button" data-do="previous" data-label="tr_previous">{icon("up")}</button>
      <button type="submit" data-do="next" data-label="tr_next">{icon("down")}</button>
      <input type="text" data-do="other" data-label="tr_replace_with"
        data-placeholder="tr_replace_with">
      <button type="button" class="sc-small" data-do="replace">{both("tr_replace")}</button>
      <button type="button" class="sc-small" data-do="all">{both("tr_replace_all")}</button>
      <button type="button" data-do="close" data-label="tr_close">{icon("close")}</button>
    </form>"""
