// The live tab: the microphone as 16-bit sound over a WebSocket, text as it is heard. Sound is kept
// until the service has written its text down, so that nothing is lost when a worker is replaced:
// the next one is told it again.
import { noticeLoss } from "./connection.js";
import { at } from "./dom.js";
import { clock, put, text } from "./language.js";
import { Problem } from "./problem.js";
import { NoMicrophone, localStamp, microphone, release } from "./recording.js";
import { remarks } from "./remarks.js";
import { Refusal, address, untilReady } from "./service.js";
import { speakers } from "./speakers.js";
import { busy } from "./transcript/leaving.js";
import { Library, refreshLists } from "./transcript/library.js";
import * as notice from "./transcript/notice.js";
import { Peaks } from "./transcript/peaks.js";
import { packed } from "./transcript/sentences.js";
import { keep, load, newId, step } from "./transcript/store.js";
import { Transcript } from "./transcript/transcript.js";
import { wav } from "./wav.js";
import { hotwords } from "./words.js";

// What the model hears; a browser that can, makes it itself.
const RATE = 16_000;
// How long the end is waited for after "stop".
const LAST_WORD_MS = 30_000;

let transcript, player, problem, library;
let session = null;
// Whether what is shown is in this browser's list.
let isKept = true;

const say = (key, values = {}) => {
  at("sc-live-state").hidden = !key;
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
    socket.isReady = false;
    socket.onopen = () => socket.send(JSON.stringify({
      type: "start", sample_rate: this.rate, hotwords: hotwords("sc-live"),
      speakers: speakers("sc-live"),
      offset_seconds: this.settled / this.rate,
      // What is written down already, for the files at the end.
      before: transcript.segments.map(({ start, end, text, confidence }) => ({ start, end, text, confidence })),
    }));
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
    if (message.type === "ready") {
      socket.isReady = true;
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
      this.end();
      problem.tell(new Refusal(message.error.status, message));
    }
  }

  async closed(socket) {
    if (this.isOver || socket !== this.socket) return;
    socket.isReady = false;
    noticeLoss();
    transcript.show("");
    this.tell();
    await untilReady();
    // Not all at once, where many pages come back.
    await new Promise((resolve) => setTimeout(resolve, 200 + 500 * Math.random()));
    if (!this.isOver && socket === this.socket) this.connect();
  }

  stop() {
    if (this.isStopping) return;
    this.isStopping = true;
    this.silence();
    if (this.socket.isReady) this.socket.send(JSON.stringify({ type: "stop" }));
    this.tell();
    setTimeout(() => !this.isOver && this.finish(), LAST_WORD_MS);
  }

  silence() {
    release(this.stream);
    this.context.close();
    notice.microphone(false);
  }

  // In this browser: what is written down is there after a crash, too.
  keepSentences(from) {
    if (this.isBegun) step(this.id, { at: from, removed: [], inserted: transcript.doc.sentences.slice(from).map(packed) });
    else this.keep("begun", { segments: [], warning_details: [] });
    this.isBegun = true;
  }

  keep(state, body, more = {}) {
    const { body: rest, sentences, excerpt } = transcript.kept();
    const seconds = this.recorded / this.rate;
    return keep(
      { id: this.id, kind: "live", name: this.name, at: this.at, seconds, state, excerpt, size: more.sound?.size ?? 0 },
      { body: { ...body, ...rest }, sentences, ...more },
    );
  }

  get name() {
    return `live-${localStamp(new Date(this.at))}`;
  }

  // What was settled is what there is, where the service did not come to its end.
  finish(done = {}) {
    const rate = this.rate;
    this.end();
    const { type, request_id: id, limit_reached: isLimit = false, ...body } = done;
    transcript.finish({ text: transcript.text(), segments: transcript.segments, ...body }, this.name);
    transcript.keepAs(this.id);
    at("sc-live-details").replaceChildren(...remarks(body.warning_details));
    const sound = wav(this.blocks.map((block) => block.sound), rate);
    const peaks = Uint8Array.from(this.peaks.values);
    showSound(sound, this.name, { seconds: this.recorded / rate, peaks });
    // Before anybody can change it: what is kept later has no step of the reader's in it.
    this.keep("done", body, { sound, peaks }).then((kept) => {
      isKept = kept;
      refreshLists();
    });
    notice.done(this.began, this.name);
    if (isLimit) problem.say("live_limit");
    else if (!transcript.hasText) problem.say("live_nothing");
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
  if (transcript.hasText && !isKept && !confirm(text("tr_not_kept_sure"))) return;
  clear();
  library.refresh();
  isKept = true;
  try {
    session = await Session.begin();
    at("sc-live-options").open = false;
  } catch (error) {
    problem.say(error instanceof NoMicrophone ? error.key : "mic_unsupported");
  }
  buttons();
}

async function reopen(id) {
  if (session) return;
  const kept = await load(id);
  if (!kept || session) return;
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
  transcript = new Transcript("sc-live", { onElsewhere: () => problem.say("tr_elsewhere") });
  ({ player } = transcript);
  problem = new Problem("sc-live", begin);
  library = new Library("sc-live", {
    onOpen: ({ id }) => reopen(id),
    isWanted: ({ kind }) => kind === "live",
    onRemoved: (ids) => ids.includes(transcript.id) && clear(),
  });
  at("sc-live-start").addEventListener("click", begin);
  at("sc-live-stop").addEventListener("click", () => session?.stop());
  at("sc-live-clear").addEventListener("click", clear);
}
