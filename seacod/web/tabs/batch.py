"""批量处理: many recordings at once, as a durable batch; the page may be closed meanwhile.

A form of our own rather than Gradio's components: it talks to the API (`static/batch.js`), so what
people see is the job on the disk, whichever worker answers. The address `?job=ID` comes back to it.
"""

from __future__ import annotations

import gradio as gr

from seacod.web.texts import both


def build() -> None:
    """Lay the tab out inside the surrounding Blocks."""
    gr.HTML(
        f"""
        <form id="sc-batch" class="sc-form">
          <label class="sc-drop"><span>{both("batch_files")}</span>
            <input type="file" name="files" multiple required></label>
          <label><span>{both("hotwords")}</span>
            <input type="text" name="hotwords" maxlength="2000" autocomplete="off"></label>
          <div class="sc-actions">
            <button type="submit" class="sc-primary">{both("batch_submit")}</button>
          </div>
          <p class="sc-hint">{both("batch_hint")}</p>
        </form>
        <div id="sc-batch-message" role="status" aria-live="polite"></div>
        <section id="sc-job" hidden>
          <div class="sc-bar"><i></i></div>
          <p id="sc-job-summary" role="status" aria-live="polite"></p>
          <div class="sc-actions">
            <a id="sc-job-results" class="sc-primary" download hidden>{both("batch_results")}</a>
            <button type="button" id="sc-job-cancel">{both("batch_cancel")}</button>
          </div>
          <table class="sc-segments sc-files"><thead><tr>
            <th scope="col">#</th><th scope="col">{both("batch_name")}</th>
            <th scope="col">{both("batch_state")}</th><th scope="col">{both("batch_detail")}</th>
          </tr></thead><tbody></tbody></table>
        </section>
        """,
    )
