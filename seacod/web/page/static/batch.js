// The batch tab: sends the form to the API, then shows the job until it is over, whoever works on
// it. Each text is read, played and corrected below the table. The address has the job's id; this
// browser also remembers the last few, the recordings, if they fit, and what was read of them: that is
// there when the service has forgotten the job.
import { Choice } from "./choice.js";
import { at, copy, el, memory, onFiles, showBar } from "./dom.js";
import { clock, onSwitch, put, sentenceOf, text } from "./language.js";
import { Problem } from "./problem.js";
import { remarks } from "./remarks.js";
import { GivenUp, Refusal, address, ask, send } from "./service.js";
import { chooseSound } from "./sound.js";
import { speakers } from "./speakers.js";
import { speak } from "./spoken.js";
import { State, TimeLeft } from "./state.js";
import { openTab } from "./tabs.js";
import { busy as wouldBeLost } from "./transcript/leaving.js";
import { Library, refreshLists } from "./transcript/library.js";
import * as notice from "./transcript/notice.js";
import { plain } from "./transcript/paragraphs.js";
import { fromAnswer } from "./transcript/peaks.js";
import { fromSegment, unpacked } from "./transcript/sentences.js";
import { keep, keepPeaks, load } from "./transcript/store.js";
import { Transcript } from "./transcript/transcript.js";
import { comeIntoView } from "./view.js";
import { hotwords } from "./words.js";

const POLL_MS = 1000;
const REMEMBERED = 20;
// Of a batch, so much sound is kept in this browser.
const MOST_SOUND_BYTES = 512 * 2 ** 20;
const BACK_MS = 2500;
const FAILED = ["failed", "poison"];

let choice, transcript, player;
// Recordings of this visit, by what they are kept as.
const sounds = new Map();
let sent = null;
let reading = null;
let began = 0;
let job = new URLSearchParams(location.search).get("job");
let shown = null;
let timer = null;
let sending = null;
let left = new TimeLeft();
let problem, state;

const path = (rest = "") => `/jobs/${encodeURIComponent(job)}${rest}`;

// -- sending --------------------------------------------------------------------------------------

async function submit() {
  if (sending) return;
  const stop = (sending = new AbortController());
  busy(true);
  // Some hundred files take a while.
  if (choice.files.length) state.say("state_choosing");
  const canceled = new Promise((resolve) => stop.signal.addEventListener("abort", () => resolve([])));
  const files = await Promise.race([choice.ready(), canceled]);
  if (stop.signal.aborted || !files.length) {
    over();
    if (!stop.signal.aborted && !problem.isShown) problem.say("no_recording");
    return;
  }
  problem.hide();
  const form = new FormData();
  form.append("peaks", "true");
  form.append("hotwords", hotwords("sc-batch"));
  form.append("speakers", speakers("sc-batch"));
  chooseSound(form, "sc-batch");
  for (const file of files) form.append("files", file, file.name);
  state.say("state_uploading", { percent: 0 }, 0);
  try {
    const accepted = await send("/batch_transcribe", form, {
      signal: stop.signal,
      onUpload: (share) => state.say("state_uploading", { percent: Math.floor(100 * share) }, share),
    });
    choice.sent(files);
    sent = { job: accepted.job, files };
    remember(accepted, files[0].name);
    follow(accepted.job);
  } catch (error) {
    // What was chosen stays chosen: the button tries again.
    if (!(error instanceof GivenUp)) problem.tell(error);
  } finally {
    over();
  }
}

function over() {
  sending = null;
  busy(false);
  state.hide();
}

function busy(isBusy) {
  wouldBeLost("sending", isBusy);
  at("sc-batch").querySelector("[type=submit]").disabled = isBusy;
  at("sc-batch-stop").hidden = !isBusy;
}

// -- the job --------------------------------------------------------------------------------------

function follow(id) {
  problem.hide();
  job = id;
  shown = null;
  if (transcript.mayGo()) close();
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
  const isNew = sent?.job === body.job;
  if (isNew) keepSounds(body);
  at("sc-job").hidden = false;
  const isOver = body.finished !== null;
  const failed = FAILED.reduce((sum, kind) => sum + (body.counts[kind] ?? 0), 0);
  showBar(at("sc-job").querySelector(".sc-bar"), body.progress);
  const remaining = left.in(body.progress);
  const told = {
    state: () => text(`job_${body.state}`),
    counts: () => Object.entries(body.counts)
      .map(([kind, count]) => text("job_count", { state: text(`file_${kind}`), count })).join(" · "),
    left: remaining,
  };
  put(at("sc-job-summary"), isOver || remaining === "—" ? "job_summary" : "job_summary_left", told);
  // That it begins and how it ends; what is in between is seen.
  if (body.job !== shown?.job || body.state !== shown.state) speak("job_summary", told);
  if (!isOver) began ||= performance.now();
  else if (began) {
    notice.done(began, at("sc-job-summary").textContent, { isFailed: failed > 0 && !body.counts.done });
    began = 0;
  }
  shown = body;
  const results = at("sc-job-results");
  results.hidden = !(body.counts.done > 0);
  results.href = address(path("/results"));
  at("sc-job-combined").hidden = !(body.counts.done > 1);
  at("sc-job-retry").hidden = !(failed > 0 && body.state !== "canceled");
  at("sc-job-cancel").hidden = isOver;
  const shared = sharedWarnings(body.files);
  showRemarks(shared);
  body.files.forEach((file, index) => showFile(file, index, shared));
  // With all that it has to say.
  if (isNew) comeIntoView(at("sc-job"));
}

// What is true of every text is said once, above the table.
function sharedWarnings(files) {
  const all = files.filter((one) => one.state === "done").map((one) => warningsOf(one));
  if (all.length < 2) return [];
  return all[0].filter(({ en }) => all.every((own) => own.some((one) => one.en === en)));
}

const warningsOf = ({ warnings = [], warnings_zh: chinese = [] }) =>
  (warnings ?? []).map((en, index) => ({ en, zh: chinese[index] ?? en }));

function showRemarks(shared) {
  const box = at("sc-job-remarks");
  const mark = shared.map(({ en }) => en).join("\n");
  if (box.dataset.mark === mark) return;
  box.dataset.mark = mark;
  box.replaceChildren(...remarks(shared.map(({ en, zh }) => ({ message: en, message_zh: zh }))));
}

// Only what has changed is drawn anew: a batch may have a thousand files.
function showFile(file, index, shared) {
  const table = at("sc-job").querySelector("tbody");
  const row = table.rows[index] ?? table.insertRow();
  const mark = [file.state, file.progress, shared.length, document.documentElement.lang].join(" ");
  if (row.dataset.mark === mark) return;
  row.dataset.mark = mark;
  row.className = `sc-file-${file.state}`;
  const running = file.state === "running" ? ` ${Math.floor(100 * file.progress)} %` : "";
  const length = file.audio_seconds === null ? "" : clock(file.audio_seconds);
  const reason = file.error && sentenceOf({ en: file.error.message, zh: file.error.message_zh });
  const warnings = warningsOf(file)
    .filter(({ en }) => !shared.some((one) => one.en === en)).map(sentenceOf);
  const detail = [reason ?? length, ...warnings].filter(Boolean).join("\n");
  const cells = [file.number, file.name, text(`file_${file.state}`) + running, detail];
  row.replaceChildren(...cells.map((cell) => el("td", {}, String(cell))));
  if (file.state !== "done") return;
  const open = el("button", { type: "button", class: "sc-open" }, file.name);
  open.title = text("tr_read");
  open.addEventListener("click", () => read(file));
  row.cells[1].replaceChildren(open);
}

// -- one text -------------------------------------------------------------------------------------

const idOf = (number) => `job-${job}-${number}`;

async function read({ number, name }) {
  const turn = (reading = {});
  const id = idOf(number);
  const kept = await load(id);
  if (turn !== reading) return;
  if (kept?.body) {
    open(kept);
    return;
  }
  let body;
  try {
    body = await ask(path(`/files/${number}`));
  } catch (error) {
    if (turn === reading) problem.tell(error);
    return;
  }
  if (turn !== reading || !transcript.mayGo()) return;
  transcript.clear();
  const peaks = fromAnswer(body.peaks);
  const about = { kind: "batch", name, at: Date.now(), seconds: body.duration, state: "done" };
  transcript.finish(body, name);
  transcript.keepAs(id, about);
  // Nothing is lost where it is not kept: the service has it, and the first correction says so.
  const { excerpt, ...written } = transcript.kept();
  keep({ ...about, id, excerpt }, written)
    .then(() => peaks && keepPeaks(id, peaks))
    .then(refreshLists);
  present({ ...about, id }, kept?.sound, peaks);
}

// One that this browser has kept, whether the service still has its job or not.
async function reopen({ id }) {
  const turn = (reading = {});
  const kept = await load(id);
  if (turn === reading && kept?.body) open(kept);
}

function open(kept) {
  if (!transcript.mayGo()) return;
  transcript.open(kept);
  present(kept.recording, kept.sound, kept.peaks);
}

function present({ id, name, seconds }, keptSound, peaks) {
  player.clear();
  const sound = sounds.get(id) ?? keptSound;
  if (sound) player.show(sound, { name, seconds, peaks });
  const heading = at("sc-batch-reading");
  heading.textContent = name;
  heading.hidden = false;
  for (const [index, row] of [...at("sc-job").querySelector("tbody").rows].entries()) {
    row.classList.toggle("sc-read", id === idOf(index + 1));
  }
  heading.focus({ preventScroll: true });
  heading.scrollIntoView({ block: "start" });
}

function close() {
  reading = null;
  transcript.clear();
  player.clear();
  at("sc-batch-reading").hidden = true;
}

// Which recording is which: the service numbers them, and unpacks archives.
async function keepSounds({ job: id, files }) {
  const mine = sent.files;
  sent = null;
  const named = new Map();
  for (const file of mine) named.set(file.name, named.has(file.name) ? null : file);
  let bytes = 0;
  for (const { number, name } of files) {
    const sound = named.get(name);
    if (!sound) continue;
    const place = `job-${id}-${number}`;
    sounds.set(place, sound);
    bytes += sound.size;
    if (bytes > MOST_SOUND_BYTES) continue;
    await keep({ id: place, kind: "batch", name, at: Date.now(), size: sound.size, state: "begun" }, { sound });
  }
}

// All texts in one, as they are corrected here.
async function combine() {
  const name = `seacod-${job.slice(0, 8)}.txt`;
  const parts = [];
  try {
    for (const file of shown.files.filter((one) => one.state === "done")) {
      const kept = await load(idOf(file.number));
      const sentences = kept?.body
        ? kept.sentences.map(unpacked)
        : (await ask(path(`/files/${file.number}`))).segments.map(fromSegment);
      parts.push(`${file.name}\n\n${plain(sentences)}\n`);
    }
  } catch (error) {
    problem.tell(error);
    return;
  }
  const url = URL.createObjectURL(new Blob([parts.join("\n\n")], { type: "text/plain;charset=utf-8" }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

async function change(rest, method) {
  problem.hide();
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

function remember(accepted, name) {
  const kept = [{ id: accepted.job, files: accepted.files, at: Date.now(), name }, ...memory.get("jobs", [])];
  memory.set("jobs", kept.slice(0, REMEMBERED));
  showRecent();
}

function showRecent() {
  const kept = memory.get("jobs", []);
  at("sc-jobs").hidden = !kept.length;
  at("sc-jobs").querySelector("ul").replaceChildren(...kept.map((one) => {
    const here = new URL(location.href);
    here.searchParams.set("job", one.id);
    const when = new Date(one.at)
      .toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
    const link = el("a", { href: here.href }, text("batch_job", { when, count: one.files }));
    if (one.name) link.append(` · ${one.name}${one.files > 1 ? "…" : ""}`);
    link.addEventListener("click", (event) => {
      event.preventDefault();
      follow(one.id);
    });
    return el("li", {}, link);
  }));
}

export function start() {
  transcript = new Transcript("sc-batch", {
    onElsewhere: () => problem.say("tr_elsewhere"),
    onUnkept: () => problem.say("tr_unkept"),
  });
  ({ player } = transcript);
  problem = new Problem("sc-batch", () => (choice.files.length ? submit() : look()));
  state = new State("sc-batch");
  choice = new Choice(problem);
  new Library("sc-batch", {
    onOpen: reopen,
    isWanted: ({ kind, state }) => kind === "batch" && state === "done",
    // The sound of those that nobody has read yet, too.
    isOurs: ({ kind }) => kind === "batch",
    onRemoved: (ids) => ids.includes(transcript.id) && close(),
  });
  onFiles(at("sc-batch-drop"), at("sc-batch-files"), (files) => choice.add(files));
  onFiles(at("sc-batch-folder"), at("sc-batch-folder-files"), (files) => choice.add(files));
  at("sc-batch-folder").addEventListener("click", () => at("sc-batch-folder-files").click());
  // Several were given to the single tab.
  document.addEventListener("seacod-batch", ({ detail }) => {
    openTab("batch");
    choice.add(detail);
  });
  at("sc-job-combined").addEventListener("click", combine);
  notice.offer(at("sc-batch-notify"));
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
