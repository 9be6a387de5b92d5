"""系统信息: model, device, load and memory of the worker that answers, live.

The browser asks `GET /system` while the tab is seen (`static/system.js`), and nobody otherwise.
"""

from __future__ import annotations

import gradio as gr

from seacod.web.texts import both


def build() -> None:
    """Lay the tab out inside the surrounding Blocks."""
    gr.HTML(
        f"""
        <div class="sc-actions">
          <button type="button" id="sc-system-refresh">{both("system_refresh")}</button>
        </div>
        <div id="sc-system-message" role="status" aria-live="polite"></div>
        <dl class="sc-facts" id="sc-system"></dl>
        """
    )
