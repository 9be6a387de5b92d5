"""系统信息: model, device, load and memory, restarts and alerts, with plots of the last hour.

The browser asks `GET /system` while the tab is seen (static/system.js), and nobody otherwise.
"""

from __future__ import annotations

from seacod.web.page.shown import ShownModel
from seacod.web.page.tabs.registry import Tab
from seacod.web.page.texts import both


def _skeleton(model: ShownModel) -> str:
    return f"""
    <div class="sc-actions">
      <button type="button" id="sc-system-refresh">{both("system_refresh")}</button>
      <span id="sc-system-message" role="status" aria-live="polite"></span>
    </div>
    <dl class="sc-facts" id="sc-system"></dl>
    <h2 class="sc-label">{both("system_last_hour")}</h2>
    <div id="sc-plots" class="sc-plots"></div>
    <div class="sc-columns">
      <section><h2 class="sc-label">{both("system_restarts")}</h2>
        <ul id="sc-restarts" class="sc-list"></ul></section>
      <section><h2 class="sc-label">{both("system_alerts")}</h2>
        <ul id="sc-alerts" class="sc-list"></ul></section>
    </div>"""


TAB = Tab(
    "system", 40, {"tab_system": ("系统信息", "System")}, _skeleton, script="system"
)  # fmt: skip
