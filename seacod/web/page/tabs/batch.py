"""批量处理: many recordings at once, as a durable batch; the page may be closed meanwhile.

What people see is the job on the disk, whichever worker answers (static/batch.js). The address
`?job=ID` comes back to it.
"""

from __future__ import annotations

from seacod.web.page.shown import ShownModel
from seacod.web.page.tabs import parts
from seacod.web.page.tabs.registry import Tab
from seacod.web.page.tabs.transcript import library, player, transcript
from seacod.web.page.texts import both


def _skeleton(model: ShownModel) -> str:
    return f"""
    <form id="sc-batch">
      <div class="sc-drop" id="sc-batch-drop">
        <input type="file" id="sc-batch-files" multiple>
        <label for="sc-batch-files" class="sc-button">{both("batch_files")}</label>
        <button type="button" id="sc-batch-folder">{both("tr_folder")}</button>
        <input type="file" id="sc-batch-folder-files" webkitdirectory hidden>
        <span class="sc-hint">{both("tr_drop_many")}</span>
      </div>
      <div id="sc-batch-choice" hidden>
        <p><span id="sc-batch-chosen" role="status" aria-live="polite"></span>
          <button type="button" class="sc-small"
            id="sc-batch-none">{both("tr_choose_none")}</button></p>
        <ul class="sc-chosen-files"></ul>
      </div>
      {parts.hotwords("sc-batch")}
      {parts.speakers("sc-batch")}
      {parts.sound("sc-batch")}
      <div class="sc-actions">
        <button type="submit" class="sc-primary">{both("batch_submit")}</button>
        <button type="button" id="sc-batch-stop" hidden>{both("cancel")}</button>
        <label class="sc-check" hidden><input type="checkbox" id="sc-batch-notify">
          {both("tr_notify")}</label>
      </div>
      <p class="sc-hint">{both("batch_hint")}</p>
    </form>
    <div id="sc-batch-state" class="sc-state" hidden>
      <span></span><div class="sc-bar"><i></i></div>
    </div>
    {parts.problem("sc-batch")}
    <section id="sc-job" hidden>
      <div class="sc-bar"><i></i></div>
      <p id="sc-job-summary"></p>
      <div class="sc-actions">
        <a id="sc-job-results" class="sc-primary" download hidden>{both("batch_results")}</a>
        <button type="button" id="sc-job-combined" hidden>{both("tr_combined")}</button>
        <button type="button" id="sc-job-retry" hidden>{both("batch_retry")}</button>
        <button type="button" id="sc-job-cancel">{both("batch_cancel")}</button>
        <button type="button" id="sc-job-link">{both("batch_link")}</button>
        <span id="sc-job-done" role="status" aria-live="polite"></span>
      </div>
      <div id="sc-job-remarks"></div>
      <table class="sc-table sc-files"><thead><tr>
        <th scope="col">#</th><th scope="col">{both("batch_name")}</th>
        <th scope="col">{both("batch_state")}</th><th scope="col">{both("batch_detail")}</th>
      </tr></thead><tbody></tbody></table>
    </section>
    <h2 class="sc-label sc-reading" id="sc-batch-reading" tabindex="-1" hidden></h2>
    {transcript("sc-batch")}
    {library("sc-batch")}
    <section id="sc-jobs" hidden>
      <h2 class="sc-label">{both("batch_recent")}</h2><ul></ul>
    </section>
    {player("sc-batch")}"""


TAB = Tab(
    "batch", 20, {"tab_batch": ("批量处理", "Batch")}, _skeleton, script="batch", opened_by="job"
)  # fmt: skip
