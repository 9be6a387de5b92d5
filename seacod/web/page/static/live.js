// The live tab: the microphone as 16-bit sound over a WebSocket, text as it is heard. Sound is kept
// until the service has written its text down, so that nothing is lost when a worker is replaced:
// the next one is told it again.
import { noticeLoss } from "./connection.js";
import { at } from "./dom.js";
import { clock, inAll, put } from "./language.js";
import { Problem } from "./problem.js";
import { NoMicrophone, localStamp, microphone, release } from "./recording.js";
import { remarks } from "./remarks.js";
import { Refusal, address, ask, untilReady } from "./service.js";
import { speakers } from "./speakers.js";
import { speak } from "./spoken.js";
import { busy } from "./transcript/leaving.js";
import { Library, refreshLists } from "./transcript/library.js";
import * as notice from "./transcript/notice.js";
import { Peaks } from "./transcript/peaks.js";
import { packed } from "./transcript/sentences.js";
import { keep, load, newId, step } from "./transcript/store.js";
import { Transcript } from "./transcript/transcript.js";
import { comeIntoView } from "./view.js";
import { wav } from "./wav.js";
import { hotwords } from "./words.js";

// What the model hears; a browser that can, makes it itself.
const RATE = 16_000;
// How long the end is waited for after "stop", and after whatever came last.
const LAST_WORD_MS = 30_000;
// Who comes back does so at some time in here; it doubles with each try in vain, so often at most.
const PAUSE_MS = 200;
const PAUSE_MORE_MS = 500;
const MOST_DOUBLED = 5;

let transcript, player, problem, library;
let session = null;
let isStarting = false;

const say = (key, values = {}) => {
  const box = at("sc-live-state");
  if (key && box.hidden) comeIntoView(box);
  box.hidden = !key;
  put(at("sc-live-state").querySelector("span"), key, values);
};

class Session {
  constructor(stream) {
    this.stream = stream;
    this.id = newId();
    this.began = performance.now();
    this.at = Date.now();
    this.blocks = [];
    // Samples that came from the microphone, and how many of them are written down for good.
    this.recorded = 0;
    this.settled = 0;
    this.socket = null;
    // Whether the service has ever listened, and tries since it did so last.
    this.wasReady = false;
    this.tries = 0;
    this.isStopping = false;
    this.isOver = false;
  }

  static async begin() {
    const made = new Session(await microphone());
    try {
      await made.listen();
    } catch (error) {
      release(made.stream);
      throw error;
    }
    made.connect();
    return made;
  }

  async listen() {
    let source;
    try {
      this.context = new AudioContext({ sampleRate: RATE });
      source = this.context.createMediaStreamSource(this.stream);
    } catch {
      // Firefox takes a microphone only at its own rate; the service resamples.
      await this.context?.close();
      this.context = new AudioContext();
      source = this.context.createMediaStreamSource(this.stream);
    }
    await this.context.audioWorklet.addModule(`${window.seacodSetup.ui}/pcm.js`);
    const node = new AudioWorkletNode(this.context, "seacod-pcm", { numberOfOutputs: 0 });
    node.port.onmessage = ({ data }) => this.take(new Int16Array(data.sound), data.peak);
    source.connect(node);
    this.stream.getAudioTracks()[0].onended = () => this.stop();
    this.peaks = new Peaks(this.rate);
    busy("live", true);
    notice.microphone(true, "live");
  }

  get rate() {
    return this.context.sampleRate;
  }

  take(sound, peak) {
    if (this.isStopping) return;
    this.blocks.push({ from: this.recorded, sound });
    this.recorded += sound.length;
    this.peaks.add(sound);
    at("sc-live-level").value = peak;
    if (this.socket?.isReady) this.socket.send(sound);
    this.tell();
  }

  tell() {
    const time = clock(this.recorded / this.rate);
    if (this.isStopping) say("live_ending");
    else say(this.socket?.isReady ? "live_listening" : "live_waiting", { time });
  }

  connect() {
    const url = new URL(address("/live"), location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(url));
    socket.binaryType = "arraybuffer";
    socket.isReady = socket.wasOpen = false;
    socket.onopen = () => {
      socket.wasOpen = true;
      socket.send(JSON.stringify({
        type: "start", sample_rate: this.rate, hotwords: hotwords("sc-live"),
        speakers: speakers("sc-live"),
        offset_seconds: this.settled / this.rate,
        // What is written down already, for the files at the end.
        before: transcript.segments.map(({ start, end, text, confidence }) => ({ start, end, text, confidence })),
      }));
    };
    socket.onmessage = ({ data }) => this.hear(socket, JSON.parse(data));
    socket.onclose = () => this.closed(socket);
  }

  // What was said and is not written down yet.
  catchUp(socket) {
    for (const { from, sound } of this.blocks) {
      if (from + sound.length <= this.settled) continue;
      socket.send(sound.subarray(Math.max(0, this.settled - from)));
    }
    if (this.isStopping) socket.send(JSON.stringify({ type: "stop" }));
  }

  hear(socket, message) {
    if (this.isStopping) this.awaitEnd();
    if (message.type === "ready") {
      socket.isReady = this.wasReady = true;
      this.tries = 0;
      this.catchUp(socket);
      this.tell();
    } else if (message.type === "partial") {
      transcript.show(message.text);
    } else if (message.type === "final") {
      transcript.show("");
      const from = transcript.doc.sentences.length;
      transcript.add(message.segments);
      this.keepSentences(from);
      this.settled = Math.max(this.settled, Math.round(message.settled_seconds * this.rate));
    } else if (message.type === "done") {
      this.finish(message);
    } else if (message.type === "error") {
      const error = new Refusal(message.error.status, message);
      // What was recorded until now is a recording; another try would be another one.
      if (this.wasReady) this.finish();
      else this.end();
      problem.tell(error, { mayRetry: !this.wasReady });
    }
  }

  async closed(socket) {
    if (this.isOver || socket !== this.socket) return;
    socket.isReady = false;
    if (socket.wasOpen) noticeLoss();
    transcript.show("");
    this.tell();
    await untilReady();
    // A login that is over looks the same; whoever is asked says so.
    if (!socket.wasOpen) await ask("/system").catch(() => {});
    // Not all at once, where many pages come back.
    const pause = (PAUSE_MS + PAUSE_MORE_MS * Math.random()) * 2 ** Math.min(this.tries, MOST_DOUBLED);
    this.tries += 1;
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (!this.isOver && socket === this.socket) this.connect();
  }

  stop() {
    if (this.isStopping) return;
    this.isStopping = true;
    this.silence();
    speak("live_ending");
    if (this.socket.isReady) this.socket.send(JSON.stringify({ type: "stop" }));
    this.tell();
    this.awaitEnd();
  }

  // While text still comes, there is more to come.
  awaitEnd() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => {
      if (this.isOver) return;
      this.finish();
      problem.say("live_late");
    }, LAST_WORD_MS);
  }

  silence() {
    release(this.stream);
    this.context.close();
    notice.microphone(false);
  }

  // In this browser: what is written down is there after a crash, too.
  async keepSentences(from) {
    const inserted = transcript.doc.sentences.slice(from).map(packed);
    if (this.isBegun && (await step(this.id, { at: from, removed: [], inserted })) !== null) return;
    // The first of them, or one that was not kept: all of it.
    this.isBegun = false;
    if (!this.isOver) this.isBegun = await this.keep("begun", { segments: [], warning_details: [] });
  }

  keep(state, body, more = {}) {
    const { body: rest, sentences, excerpt } = transcript.kept();
    const about = this.about(state, more.sound?.size);
    return keep({ ...about, id: this.id, excerpt }, { body: { ...body, ...rest }, sentences, ...more });
  }

  about(state, size = 0) {
    return { kind: "live", name: this.name, at: this.at, seconds: this.recorded / this.rate, state, size };
  }

  get name() {
    return `live-${localStamp(new Date(this.at))}`;
  }

  // What was settled is what there is, where the service did not come to its end.
  // `done` is the service's last word; without it the recording ended in a failure.
  finish(done = null) {
    const rate = this.rate;
    this.end();
    const { type, request_id: id, limit_reached: isLimit = false, ...body } = done ?? withoutEnd();
    transcript.finish({ text: transcript.text(), segments: transcript.segments, ...body }, this.name);
    at("sc-live-details").replaceChildren(...remarks(body.warning_details));
    const sound = wav(this.blocks.map((block) => block.sound), rate);
    const peaks = Uint8Array.from(this.peaks.values);
    transcript.keepAs(this.id, this.about("done", sound.size));
    showSound(sound, this.name, { seconds: this.recorded / rate, peaks });
    // Where the text ends; the player has just come below it.
    comeIntoView(at("sc-live-details"));
    // Before anybody can change it: what is kept later has no step of the reader's in it.
    this.keep("done", body, { sound, peaks }).then((isKept) => {
      if (transcript.id === this.id) transcript.tellKept(isKept);
      refreshLists();
    });
    if (done) speak("state_done");
    notice.done(this.began, this.name, { isFailed: !done });
    if (isLimit) problem.say("live_limit");
    else if (done && !transcript.hasText) problem.say("live_nothing");
    buttons();
  }

  end() {
    if (this.isOver) return;
    this.isOver = true;
    if (!this.isStopping) this.silence();
    this.isStopping = true;
    this.socket.close();
    busy("live", false);
    transcript.show("");
    say(null);
    session = null;
    buttons();
  }
}

// Whoever reads the text later, or a file of it, has to know that its end may be missing.
function withoutEnd() {
  const { en: message, zh: message_zh } = inAll("live_no_end");
  return { warning_details: [{ code: "end_missing", message, message_zh }] };
}

function showSound(sound, name, { seconds, peaks }) {
  const link = at("sc-live-recording");
  if (link.href.startsWith("blob:")) URL.revokeObjectURL(link.href);
  link.href = URL.createObjectURL(sound);
  link.download = `${name}.wav`;
  link.hidden = false;
  player.show(sound, { name, seconds, peaks });
}

function buttons() {
  const isOn = session !== null;
  at("sc-live-start").hidden = isOn;
  at("sc-live-stop").hidden = !isOn;
  at("sc-live-clear").hidden = isOn || !transcript.hasText;
}

// Off the page; it stays in the list below.
function clear() {
  transcript.clear();
  player.clear();
  problem.hide();
  at("sc-live-details").replaceChildren();
  at("sc-live-recording").hidden = true;
  buttons();
}

async function begin() {
  // While the browser asks whether it may, too.
  if (session || isStarting || !transcript.mayGo()) return;
  isStarting = true;
  clear();
  library.refresh();
  try {
    session = await Session.begin();
    at("sc-live-options").open = false;
  } catch (error) {
    problem.say(error instanceof NoMicrophone ? error.key : "mic_unsupported");
  } finally {
    isStarting = false;
  }
  buttons();
}

async function reopen(id) {
  if (session || isStarting) return;
  const kept = await load(id);
  if (!kept || session || isStarting || !transcript.mayGo()) return;
  clear();
  transcript.open({ ...kept, body: kept.body ?? { segments: [] } });
  if (kept.sound) {
    const { name, seconds } = kept.recording;
    showSound(kept.sound, name, { seconds, peaks: kept.peaks });
  }
  at("sc-live-details").replaceChildren(...remarks(kept.body?.warning_details));
  buttons();
  transcript.root.scrollIntoView({ block: "nearest" });
}

export function start() {
  transcript = new Transcript("sc-live", {
    onElsewhere: () => problem.say("tr_elsewhere"),
    onUnkept: () => problem.say("tr_unkept"),
  });
  ({ player } = transcript);
  problem = new Problem("sc-live", begin);
  library = new Library("sc-live", {
    onOpen: ({ id }) => reopen(id),
    isWanted: ({ kind }) => kind === "live",
    onRemoved: (ids) => ids.includes(transcript.id) && clear(),
  });
  at("sc-live-start").addEventListener("click", begin);
  at("sc-live-stop").addEventListener("click", () => session?.stop());
  at("sc-live-clear").addEventListener("click", () => transcript.mayGo() && clear());
}
