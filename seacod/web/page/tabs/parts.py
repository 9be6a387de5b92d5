"""Pieces that several tabs have."""

from __future__ import annotations

from seacod.web.page.texts import both


def hotwords(prefix: str) -> str:
    """The field for hotwords with the lists that this browser has kept (static/words.js)."""
    return f"""
    <div class="sc-words" data-words="{prefix}">
      <label><span class="sc-label">{both("hotwords")}</span>
        <textarea id="{prefix}-hotwords" rows="1" maxlength="20000" autocomplete="off"
          spellcheck="false" data-placeholder="hotwords_placeholder"></textarea></label>
      <p class="sc-hint">{both("hotwords_info")}</p>
      <div class="sc-lists">
        <select data-label="words_lists" hidden></select>
        <button type="button" class="sc-small" data-do="save">{both("words_save")}</button>
        <button type="button" class="sc-small" data-do="delete"
          hidden>{both("words_delete")}</button>
        <span class="sc-naming" hidden>
          <input type="text" maxlength="40" data-label="words_name" data-placeholder="words_name">
          <button type="button" class="sc-small" data-do="keep">{both("words_keep")}</button>
        </span>
      </div>
    </div>"""


def speakers(prefix: str) -> str:
    """The choice whether, and how many, speakers are told apart (static/speakers.js)."""
    return f"""
    <p class="sc-who"><label><span class="sc-label">{both("speakers")}</span>
      <select id="{prefix}-speakers" data-speakers="{prefix}"></select></label></p>"""


def sound(prefix: str) -> str:
    """What of a recording is heard, folded up: few have several tracks (static/sound.js)."""
    return f"""
    <details class="sc-sound" data-sound="{prefix}">
      <summary>{both("sound")}</summary>
      <p class="sc-who"><label><span class="sc-label">{both("channels")}</span>
        <select id="{prefix}-channels"></select></label></p>
      <p class="sc-who"><label><span class="sc-label">{both("track")}</span>
        <select id="{prefix}-track"></select></label></p>
    </details>"""


def problem(prefix: str) -> str:
    """The place of an error message, with a button to try again (static/problem.js). What counts
    down is outside of what is read out."""
    return f"""
    <div id="{prefix}-problem" class="sc-problem" hidden>
      <div role="alert"><strong></strong><p></p></div>
      <span data-left hidden></span>
      <button type="button" class="sc-small" data-do="again" hidden>{both("retry")}</button>
      <button type="button" class="sc-small" data-do="stay" hidden>{both("retry_stop")}</button>
    </div>"""
