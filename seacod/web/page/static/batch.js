// The batch tab: sends the form to the API, then shows the job until it is over, whoever works on
// it. The address has the job's id; this browser also remembers the last few.
import { at, copy, el, memory, onFiles, showBar } from "./dom.js";
import { clock, language, onSwitch, put, size, text } from "./language.js";
import { Problem } from "./problem.js";
import { GivenUp, Refusal, address, ask, limits, send } from "./service.js";
import { chooseSound } from "./sound.js";
import { speakers } from "./speakers.js";
import { State, TimeLeft } from "./state.js";
import { hotwords } from "./words.js";

const POLL_MS = 1000;
const REMEMBERED = 8;
const BACK_MS = 2500;
const FAILED = ["failed", "poison"];

let files = [];
let job = new URLSearchParams(location.search).get("job");
let shown = null;
let timer = null;
let sending = null;
let left = new TimeLeft();
let problem, state;

const path = (rest = "") => `/jobs/${encodeURIComponent(job)}${rest}`;

// -- sending --------------------------------------------------------------------------------------

async function take(more) {
  files = more;
  problem.hide();
  const total = files.reduce((sum, file) => sum + file.size, 0);
  put(at("sc-batch-chosen"), "batch_chosen", { count: files.length, size: size(total) });
  const known = await limits().catch(() => null);
  const tooBig = known && files.find((file) => file.size > known.max_upload_bytes);
  if (tooBig) {
    const values = { size: size(tooBig.size), limit: size(known.max_upload_bytes) };
    problem.say("file_too_big_named", { ...values, name: tooBig.name });
    files = [];
  }
}

async function submit() {
  if (sending) return;
  problem.hide();
  if (!files.length) {
    problem.say("no_recording");
    return;
  }
  const form = new FormData();
  form.append("hotwords", hotwords("sc-batch"));
  form.append("speakers", speakers("sc-batch"));
  chooseSound(form, "sc-batch");
  for (const file of files) form.append("files", file, file.name);
  sending = new AbortController();
  busy(true);
  state.say("state_uploading", { percent: 0 }, 0);
  try {
    const accepted = await send("/batch_transcribe", form, {
      signal: sending.signal,
      onUpload: (share) => state.say("state_uploading", { percent: Math.floor(100 * share) }, share),
    });
    files = [];
    put(at("sc-batch-chosen"), null);
    remember(accepted);
    follow(accepted.job);
  } catch (error) {
    // What was chosen stays chosen: the button tries again.
    if (!(error instanceof GivenUp)) problem.tell(error);
  } finally {
    sending = null;
    busy(false);
    state.hide();
  }
}

function busy(isBusy) {
  at("sc-batch").querySelector("[type=submit]").disabled = isBusy;
  at("sc-batch-stop").hidden = !isBusy;
}

// -- the job --------------------------------------------------------------------------------------

function follow(id) {
  job = id;
  shown = null;
  left = new TimeLeft();
  at("sc-job").querySelector("tbody").replaceChildren();
  const here = new URL(location.href);
  here.searchParams.set("job", id);
  history.replaceState(null, "", here);
  look();
}

async function look() {
  clearTimeout(timer);
  const asked = job;
  let again = true;
  try {
    const body = await ask(path());
    if (asked !== job) return;
    problem.hide();
    show(body);
    again = body.finished === null;
  } catch (error) {
    if (asked !== job) return;
    if (error instanceof Refusal && error.status === 404) {
      problem.tell(error);
      at("sc-job").hidden = true;
      again = false;
    }
    // Otherwise the worker is being replaced; the job goes on, and the banner says so.
  }
  if (again) timer = setTimeout(look, POLL_MS);
}

function show(body) {
  shown = body;
  at("sc-job").hidden = false;
  const isOver = body.finished !== null;
  const failed = FAILED.reduce((sum, kind) => sum + (body.counts[kind] ?? 0), 0);
  showBar(at("sc-job").querySelector(".sc-bar"), body.progress);
  const remaining = left.in(body.progress);
  put(at("sc-job-summary"), isOver || remaining === "—" ? "job_summary" : "job_summary_left", {
    state: () => text(`job_${body.state}`),
    counts: () => Object.entries(body.counts)
      .map(([kind, count]) => `${text(`file_${kind}`)} ${count}`).join(" · "),
    left: remaining,
  });
  const results = at("sc-job-results");
  results.hidden = !(body.counts.done > 0);
  results.href = address(path("/results"));
  at("sc-job-retry").hidden = !(failed > 0 && body.state !== "canceled");
  at("sc-job-cancel").hidden = isOver;
  body.files.forEach(showFile);
}

// Only what has changed is drawn anew: a batch may have a thousand files.
function showFile(file, index) {
  const table = at("sc-job").querySelector("tbody");
  const row = table.rows[index] ?? table.insertRow();
  const mark = `${file.state} ${file.progress} ${document.documentElement.lang}`;
  if (row.dataset.mark === mark) return;
  row.dataset.mark = mark;
  row.className = `sc-file-${file.state}`;
  const running = file.state === "running" ? ` ${Math.floor(100 * file.progress)} %` : "";
  const length = file.audio_seconds === null ? "" : clock(file.audio_seconds);
  const reason = file.error && (language() === "zh" ? file.error.message_zh : file.error.message);
  const warnings = (language() === "zh" ? file.warnings_zh : file.warnings) ?? [];
  const detail = [reason ?? length, ...warnings].filter(Boolean).join("\n");
  const cells = [file.number, file.name, text(`file_${file.state}`) + running, detail];
  row.replaceChildren(...cells.map((cell) => el("td", {}, String(cell))));
}

async function change(rest, method) {
  try {
    await ask(path(rest), { method });
  } catch (error) {
    problem.tell(error);
    return;
  }
  left = new TimeLeft();
  look();
}

// -- the last few jobs of this browser ------------------------------------------------------------

function remember(accepted) {
  const kept = [{ id: accepted.job, files: accepted.files, at: Date.now() }, ...memory.get("jobs", [])];
  memory.set("jobs", kept.slice(0, REMEMBERED));
  showRecent();
}

function showRecent() {
  const kept = memory.get("jobs", []);
  at("sc-jobs").hidden = !kept.length;
  at("sc-jobs").querySelector("ul").replaceChildren(...kept.map((one) => {
    const here = new URL(location.href);
    here.searchParams.set("job", one.id);
    const when = new Date(one.at).toLocaleString(document.documentElement.lang);
    const link = el("a", { href: here.href }, text("batch_job", { when, count: one.files }));
    link.addEventListener("click", (event) => {
      event.preventDefault();
      follow(one.id);
    });
    return el("li", {}, link);
  }));
}

export function start() {
  problem = new Problem("sc-batch", () => (files.length ? submit() : look()));
  state = new State("sc-batch");
  onFiles(at("sc-batch-drop"), at("sc-batch-files"), take);
  at("sc-batch").addEventListener("submit", (event) => {
    event.preventDefault();
    submit();
  });
  at("sc-batch-stop").addEventListener("click", () => sending?.abort());
  at("sc-job-cancel").addEventListener("click", () => change("?only=open", "DELETE"));
  at("sc-job-retry").addEventListener("click", () => change("/retry", "POST"));
  at("sc-job-link").addEventListener("click", async () => {
    await copy(location.href);
    put(at("sc-job-done"), "copied");
    setTimeout(() => put(at("sc-job-done"), null), BACK_MS);
  });
  onSwitch(() => {
    showRecent();
    if (shown) show(shown);
  });
  showRecent();
  if (job) look();
}
