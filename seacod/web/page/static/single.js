// The single tab: choose or record, see its length and wave, recognise, read, correct, take away.
import { at, el, onFiles } from "./dom.js";
import { clock, deviceName, inWords, onSwitch, put, seconds, size, text } from "./language.js";
import { lengthOf } from "./length.js";
import { Problem } from "./problem.js";
import { NoMicrophone, Recording } from "./recording.js";
import { remarks } from "./remarks.js";
import { GivenUp, Lost, Refusal, address, limits, longest, send, untilReady } from "./service.js";
import { chooseSound } from "./sound.js";
import { speakers } from "./speakers.js";
import { State, TimeLeft } from "./state.js";
import { busy as wouldBeLost } from "./transcript/leaving.js";
import { Library, refreshLists, sweepOld } from "./transcript/library.js";
import * as notice from "./transcript/notice.js";
import { fromAnswer, ofFile } from "./transcript/peaks.js";
import { keep, keepPeaks, load, newId, remove } from "./transcript/store.js";
import { Transcript } from "./transcript/transcript.js";
import { comeIntoView } from "./view.js";
import { hotwords, setHotwords } from "./words.js";

// A worker that goes away under the same recording so often will do so again.
const TRIES = 3;
// The recording itself is refused: another try goes as this one.
const UNFIT = [400, 413, 415, 422];
const MOST_WORDS = 100;
const HEARD = (report) => report.status === "matched";
// The recording this window shows; after a reload it shows it again.
const OPEN = "seacod.open";

let chosen = null;
// Ends when it is known whether the last one chosen may be sent.
let measured = Promise.resolve();
let recording = null;
let isStarting = false;
let running = null;
let transcript, player, problem, state;
// What the details show, so that they can be shown in the other language.
let finished = null;

// -- choosing -------------------------------------------------------------------------------------

// kept: {id, isListed}, where it is in this browser's list already.
function take(file, kept = {}) {
  if (transcript.mayGo()) measured = measure(file, kept);
  return measured;
}

async function measure(file, kept) {
  problem.hide();
  state.hide();
  giveUp();
  chosen = null;
  // Never an old text under a new recording; the old one is in the list below.
  clear();
  remembered(kept.id ?? null);
  player.clear();
  stage("chosen");
  const measuring = (measure.latest = {});
  shownBy(file.name, size(file.size));
  const length = await lengthOf(file);
  if (measuring !== measure.latest) return;
  if (length !== null) at("sc-chosen-facts").textContent = `${clock(length)} · ${size(file.size)}`;
  if (!(await isAllowed(file, length)) || measuring !== measure.latest) return;
  chosen = { file, length, ...kept };
  player.show(file, { name: file.name, seconds: length });
  // Nobody waits for the wave.
  ofFile(file, length).then((peaks) => {
    if (measuring === measure.latest && peaks) player.setPeaks(peaks);
  });
}

function shownBy(name, facts) {
  at("sc-chosen").hidden = false;
  at("sc-chosen-name").textContent = name;
  at("sc-chosen-facts").textContent = facts;
}

// empty, chosen, running, done: what takes the room (transcript.css).
function stage(name) {
  at("sc-single").dataset.stage = name;
  at("sc-options").open = name === "empty" || name === "chosen";
}

function clear() {
  transcript.clear();
  details(null);
  remembered(null);
}

function remembered(id) {
  try {
    if (id) sessionStorage.setItem(OPEN, id);
    else sessionStorage.removeItem(OPEN);
  } catch {
    // Storage is off: a reload begins anew.
  }
}

async function isAllowed(file, length) {
  let known;
  try {
    known = await limits();
  } catch {
    // The service will say it.
    return true;
  }
  if (file.size > known.max_upload_bytes) {
    problem.say("file_too_big", {
      size: size(file.size),
      limit: size(known.max_upload_bytes),
    });
    return false;
  }
  if (length !== null && length > longest(known)) {
    problem.say("file_too_long", {
      length: clock(length),
      limit: () => inWords(longest(known)),
    });
    return false;
  }
  return true;
}

async function record() {
  const button = at("sc-record");
  if (recording) {
    const ended = recording;
    recording = null;
    clearInterval(ended.ticking);
    button.classList.remove("sc-recording");
    put(button, "record");
    notice.microphone(false);
    const file = await ended.stop();
    const id = newId();
    // Nobody has it but this browser: it is kept before anything is done with it.
    keep(entry(id, file, ended.seconds), { sound: file }).then(refreshLists);
    wouldBeLost("recording", false);
    take(file, { id, isListed: true });
    return;
  }
  // While the browser asks whether it may.
  if (isStarting) return;
  isStarting = true;
  try {
    recording = await Recording.begin();
  } catch (error) {
    problem.say(error instanceof NoMicrophone ? error.key : "mic_busy");
    return;
  } finally {
    isStarting = false;
  }
  problem.hide();
  wouldBeLost("recording", true);
  notice.microphone(true, "single");
  button.classList.add("sc-recording");
  const tick = () => put(button, "record_stop", { time: clock(recording.seconds) });
  recording.ticking = setInterval(tick, 500);
  tick();
}

// -- recognising ----------------------------------------------------------------------------------

async function recognise() {
  await measured;
  if (running) return;
  if (!chosen) {
    // A recording that was refused has its reason there already.
    if (!problem.isShown) problem.say("no_recording");
    return;
  }
  if (!transcript.mayGo()) return;
  problem.hide();
  const stop = (running = new AbortController());
  const began = performance.now();
  const work = chosen;
  busy(true);
  clear();
  stage("running");
  // Another try of the same is the same; who recognises it once more keeps what there was.
  if (!work.id || work.isDone) Object.assign(work, { id: newId(), isDone: false, isListed: false });
  const { file, length } = work;
  work.entry = entry(work.id, file, length);
  work.begun = keep(work.entry, { sound: file }).then(refreshLists);
  remembered(work.id);
  try {
    for (let tries = 1; ; tries += 1) {
      try {
        await once(work, stop.signal);
        break;
      } catch (error) {
        if (!(error instanceof Lost) || tries === TRIES || stop.signal.aborted) throw error;
        // The recording is still here, so nobody has to do anything.
        state.say("state_interrupted");
        await untilReady(stop.signal);
        if (stop.signal.aborted) throw new GivenUp();
        transcript.clear();
      }
    }
    notice.done(began, file.name);
  } catch (error) {
    // What is nowhere else, or may go better next time, stays in the list.
    if (isOver(error) && !work.isListed) {
      const { id, begun } = work;
      begun.then(() => remove([id])).then(refreshLists);
      work.id = null;
      if (running === stop) remembered(null);
    }
    if (running === stop) {
      state.hide();
      transcript.clear();
      stage("chosen");
      if (!(error instanceof GivenUp)) {
        problem.tell(error);
        notice.done(began, file.name, { isFailed: true });
      }
    }
  } finally {
    if (running === stop) {
      running = null;
      busy(false);
    }
  }
}

const isOver = (error) =>
  error instanceof GivenUp || (error instanceof Refusal && UNFIT.includes(error.status));

const entry = (id, { name, size }, seconds) =>
  ({ id, kind: "single", name, at: Date.now(), size, seconds, state: "begun" });

// What is recognised is nobody's any more: however it ends, it changes nothing on the page.
function giveUp() {
  if (!running) return;
  running.abort();
  running = null;
  busy(false);
}

// One upload and its answer; throws why there is none.
async function once(work, signal) {
  const { file } = work;
  const form = new FormData();
  form.append("hotwords", hotwords("sc"));
  form.append("peaks", "true");
  form.append("speakers", speakers("sc"));
  chooseSound(form, "sc");
  form.append("file", file, file.name);
  const left = new TimeLeft();
  let ended = null;
  let failed = null;
  state.say("state_uploading", { percent: 0 }, 0);
  await send("/transcribe?stream=true", form, {
    signal,
    onUpload: (share) => {
      if (share < 1) state.say("state_uploading", { percent: Math.floor(100 * share) }, share);
      else state.say("state_decoding");
    },
    onEvent: (name, data) => {
      if (name === "progress") progress(data, left);
      else if (signal.aborted) return;
      else if (name === "segments") transcript.addSoon(data.segments);
      else if (name === "done") ended = data;
      else if (name === "error") failed = data;
    },
  });
  if (failed) throw new Refusal(failed.error.status, failed);
  // The stream ended in the middle: the worker is gone.
  if (!ended) throw new Lost();
  if (signal.aborted) throw new GivenUp();
  state.say("state_done", {}, 1);
  finish(work, ended);
}

function finish(work, body) {
  const { id, file } = work;
  work.isDone = true;
  transcript.finish(body, file.name);
  const about = { ...work.entry, seconds: body.duration, state: "done" };
  transcript.keepAs(id, about);
  stage("done");
  details(body);
  // Whoever has seen it come reads it from its beginning.
  transcript.toBeginning();
  comeIntoView(at("sc-remarks"));
  const peaks = fromAnswer(body.peaks);
  player.setSeconds(body.duration);
  if (peaks) player.setPeaks(peaks);
  // Not after the sound, which takes its time.
  const { excerpt, ...kept } = transcript.kept();
  keep({ ...about, excerpt }, kept).then(async (isKept) => {
    if (transcript.id === id) transcript.tellKept(isKept);
    refreshLists();
    await work.begun;
    if (peaks) await keepPeaks(id, peaks);
  });
}

// -- what this browser has kept -------------------------------------------------------------------

async function reopen(id) {
  // What is recognised is on the page.
  if (running && chosen?.id === id) return false;
  const opening = (measure.latest = {});
  const kept = await load(id);
  if (!kept || opening !== measure.latest || !transcript.mayGo()) return false;
  problem.hide();
  state.hide();
  giveUp();
  clear();
  player.clear();
  const { recording, sound, peaks, body } = kept;
  const facts = [recording.seconds && clock(recording.seconds), recording.size && size(recording.size)];
  shownBy(recording.name, facts.filter(Boolean).join(" · "));
  const file = sound && new File([sound], recording.name, { type: sound.type });
  chosen = file ? { file, length: recording.seconds, id, isDone: Boolean(body), isListed: true } : null;
  measured = Promise.resolve();
  if (file) player.show(file, { name: recording.name, seconds: recording.seconds, peaks });
  remembered(id);
  if (body) {
    transcript.open(kept);
    details(body);
    stage("done");
  } else {
    stage("chosen");
    state.say("tr_resume", {}, 0);
  }
  scrollTo({ top: 0 });
  return true;
}

function progress(now, left) {
  if (now.stage === "queued") {
    state.say("state_queued", { position: Math.max(1, now.queue_position) });
    return;
  }
  const values = { done: now.segments_done, total: now.segments_total };
  if (now.share === undefined) {
    state.say("state_recognising", values);
    return;
  }
  const remaining = left.in(now.share);
  state.say("state_recognising_left", { ...values, left: remaining }, now.share);
}

function busy(isBusy) {
  wouldBeLost("recognising", isBusy);
  at("sc-recognise").disabled = isBusy;
  at("sc-cancel").hidden = !isBusy;
}

// -- what came out --------------------------------------------------------------------------------

function details(body) {
  finished = body;
  const box = at("sc-details");
  box.replaceChildren();
  // Before the text, however long that is.
  at("sc-remarks").replaceChildren(...remarks(body?.warning_details));
  if (!body) return;
  const factor = body.real_time_factor;
  const facts = [
    ["confidence", body.confidence === null ? "—" : `${Math.round(100 * body.confidence)} %`],
    ["audio_length", seconds(body.duration)()],
    ["processing_time", seconds(body.processing_time)()],
    ["real_time_factor", factor === null ? "—" : factor.toFixed(3)],
    ["queue_time", seconds(body.queue_time)()],
    ["model", `${body.model} · ${deviceName(body.device)}`],
  ];
  const cells = facts.map(([key, value]) =>
    el("div", { id: `sc-${key}` }, el("dt", {}, text(key)), el("dd", {}, value)),
  );
  cells[0].title = text("confidence_hint");
  box.append(el("dl", { class: "sc-facts" }, ...cells));
  box.append(...replaced(body.replacements));
  if (body.hotwords.length) {
    // Those that were heard come first.
    const told = [...body.hotwords].sort((a, b) => HEARD(b) - HEARD(a));
    const words = told.slice(0, MOST_WORDS).map((report) =>
      el("li", { class: `sc-${report.status}`, title: report.reason },
        el("b", {}, report.word), ` ${text(`hotword_${report.status}`)}`),
    );
    const more = told.length - words.length;
    if (more) words.push(el("li", {}, text("hotwords_more", { count: more })));
    box.append(el("ul", { class: "sc-hotwords", "aria-label": text("hotwords") }, ...words));
  }
}

// What rules of the server have changed.
function replaced(reports) {
  const shown = (reports ?? []).slice(0, MOST_WORDS).map(({ heard, written, count }) =>
    el("li", {}, el("b", {}, heard), ` → ${written || "—"}${count > 1 ? ` × ${count}` : ""}`),
  );
  if (!shown.length) return [];
  return [
    el("p", { class: "sc-label" }, text("replacements")),
    el("ul", { class: "sc-hotwords sc-replaced", "aria-label": text("replacements") }, ...shown),
  ];
}

async function showLimits() {
  const known = await limits();
  put(at("sc-limits"), "limits", {
    length: () => inWords(longest(known)),
    size: size(known.max_upload_bytes),
  });
}

export function start() {
  transcript = new Transcript("sc", {
    onElsewhere: () => problem.say("tr_elsewhere"),
    onUnkept: () => problem.say("tr_unkept"),
  });
  ({ player } = transcript);
  problem = new Problem("sc", recognise);
  state = new State("sc");
  onFiles(at("sc-drop"), at("sc-file"), (files) => {
    if (files.length === 1) take(files[0]);
    // One at a time here; nobody wants the others dropped silently.
    else document.dispatchEvent(new CustomEvent("seacod-batch", { detail: files }));
  });
  at("sc-record").addEventListener("click", record);
  at("sc-recognise").addEventListener("click", recognise);
  at("sc-cancel").addEventListener("click", () => running?.abort());
  for (const button of document.querySelectorAll("[data-example]")) {
    button.addEventListener("click", async () => {
      const name = button.dataset.example;
      const answer = await fetch(address(`/examples/${name}`));
      await take(new File([await answer.blob()], name, { type: "audio/flac" }));
      setHotwords("sc", button.dataset.words);
    });
  }
  onSwitch(() => details(finished));
  showLimits().catch(() => {});
  notice.offer(at("sc-notify"));
  const library = new Library("sc", {
    onOpen: ({ id }) => reopen(id),
    isWanted: ({ kind }) => kind === "single",
    onRemoved: (ids) => {
      // What is on the page is deleted, too.
      if (!ids.includes(transcript.id ?? chosen?.id)) return;
      giveUp();
      chosen = null;
      clear();
      player.clear();
      at("sc-chosen").hidden = true;
      state.hide();
      stage("empty");
    },
  });
  // First what is too old goes.
  sweepOld().then(() => {
    library.refresh();
    const open = lastOpen();
    // Unless something was chosen meanwhile.
    if (open && !chosen && !measure.latest) reopen(open);
  });
}

function lastOpen() {
  try {
    return sessionStorage.getItem(OPEN);
  } catch {
    return null;
  }
}
