"""实时录音: text of a microphone while somebody speaks (static/live.js)."""

from __future__ import annotations

from seacod.web.page.shown import ShownModel
from seacod.web.page.tabs import parts
from seacod.web.page.tabs.registry import Tab
from seacod.web.page.tabs.transcript import library, player, transcript
from seacod.web.page.texts import both


def _skeleton(model: ShownModel) -> str:
    return f"""
    <p class="sc-hint">{both("live_hint")}</p>
    <details id="sc-live-options" class="sc-options" open>
      <summary>{both("live_options")}</summary>
      {parts.hotwords("sc-live")}
      {parts.speakers("sc-live")}
    </details>
    <div class="sc-actions">
      <button type="button" id="sc-live-start" class="sc-primary">{both("live_start")}</button>
      <button type="button" id="sc-live-stop" class="sc-recording"
        hidden>{both("live_stop")}</button>
      <button type="button" id="sc-live-clear" hidden>{both("live_clear")}</button>
      <a id="sc-live-recording" download hidden>{both("live_recording")}</a>
    </div>
    <div id="sc-live-state" class="sc-state" hidden>
      <span></span><meter id="sc-live-level" min="0" max="1" data-label="live_level"></meter>
    </div>
    {parts.problem("sc-live")}
    {transcript("sc-live")}
    <div id="sc-live-details"></div>
    {library("sc-live")}
    {player("sc-live")}"""


TAB = Tab(
    "live", 30, {"tab_live": ("实时录音", "Live recording")}, _skeleton, script="live"
)  # fmt: skip
