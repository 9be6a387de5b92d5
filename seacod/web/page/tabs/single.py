"""单文件识别: one recording in, its text out, with progress in between (static/single.js)."""

from __future__ import annotations

from html import escape

from seacod.models.examples import examples
from seacod.web.page.shown import ShownModel
from seacod.web.page.tabs import parts
from seacod.web.page.tabs.icons import icon
from seacod.web.page.tabs.registry import Tab
from seacod.web.page.tabs.transcript import keys_help, library, player, transcript
from seacod.web.page.texts import both

_MAX_EXAMPLES = 5


def _skeleton(model: ShownModel) -> str:
    return f"""
    <div id="sc-single" class="sc-single" data-stage="empty">
      <section class="sc-source">
        <div id="sc-drop" class="sc-drop">
          {icon("file", "sc-drop-icon")}
          <input type="file" id="sc-file" accept="audio/*,video/*,.amr,.opus,.wma,.ape,.flac,.mkv">
          <label for="sc-file" class="sc-button sc-primary">{both("choose_file")}</label>
          <button type="button" id="sc-record">{both("record")}</button>
          <span class="sc-hint sc-drop-here">{both("drop_here")}</span>
          <p class="sc-hint" id="sc-limits"></p>
        </div>
        <div id="sc-chosen" hidden>
          <p><b id="sc-chosen-name"></b> <span id="sc-chosen-facts"></span></p>
        </div>
        <details id="sc-options" class="sc-options" open>
          <summary>{both("tr_options")}</summary>
          {parts.hotwords("sc")}
          {parts.speakers("sc")}
          {parts.sound("sc")}
        </details>
        <div class="sc-actions">
          <button type="button" id="sc-recognise" class="sc-primary">{both("recognise")}</button>
          <button type="button" id="sc-cancel" hidden>{both("cancel")}</button>
          <label class="sc-check" hidden><input type="checkbox" id="sc-notify">
            {both("tr_notify")}</label>
        </div>
        {_examples() if model.is_builtin else ""}
      </section>
      <section>
        <div id="sc-state" class="sc-state" hidden>
          <span></span><div class="sc-bar"><i></i></div>
        </div>
        {parts.problem("sc")}
        <div id="sc-remarks"></div>
        {transcript("sc")}
        <div id="sc-details"></div>
        {library("sc")}
        {player("sc")}
      </section>
      {keys_help()}
    </div>"""


def _examples() -> str:
    """Buttons that put a shipped recording into the form."""
    buttons = []
    for example in examples()[:_MAX_EXAMPLES]:
        shown = example.get("text_with_hotwords") or example["text"]
        caption = shown if len(shown) <= 12 else shown[:11] + "…"
        if example["hotwords"]:
            caption += f"（{example['hotwords']}）"
        buttons.append(
            f'<button type="button" class="sc-small" data-example="{escape(example["file"])}" '
            f'data-words="{escape(example["hotwords"])}">{escape(caption)}</button>'
        )
    return (
        f'<div class="sc-try"><p class="sc-hint">{both("examples")}</p>'
        f'<div class="sc-examples" lang="zh">{"".join(buttons)}</div></div>'
    )


TAB = Tab(
    "single", 10, {"tab_single": ("单文件识别", "Single file")}, _skeleton, script="single"
)  # fmt: skip
