// The live tab: the microphone as 16-bit sound over a WebSocket, text as it is heard. Sound is kept
// until the service has written its text down, so that nothing is lost when a worker is replaced:
// the next one is told it again.
import { noticeLoss } from "./connection.js";
import { at } from "./dom.js";
import { clock, put } from "./language.js";
import { Problem } from "./problem.js";
import { NoMicrophone, microphone, release } from "./recording.js";
import { remarks } from "./remarks.js";
import { ALSO, Result } from "./result.js";
import { Refusal, address, untilReady } from "./service.js";
import { speakers } from "./speakers.js";
import { wav } from "./wav.js";
import { hotwords } from "./words.js";

// What the model hears; a browser that can, makes it itself.
const RATE = 16_000;
// How long the end is waited for after "stop".
const LAST_WORD_MS = 30_000;

let result, problem;
let session = null;

const say = (key, values = {}) => {
  at("sc-live-state").hidden = !key;
  put(at("sc-live-state").querySelector("span"), key, values);
};

class Session {
  constructor(stream) {
    this.stream = stream;
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
  }

  get rate() {
    return this.context.sampleRate;
  }

  take(sound, peak) {
    if (this.isStopping) return;
    this.blocks.push({ from: this.recorded, sound });
    this.recorded += sound.length;
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
      type: "start", sample_rate: this.rate, hotwords: hotwords("sc-live"), also: ALSO,
      speakers: speakers("sc-live"),
      offset_seconds: this.settled / this.rate,
      // What is written down already, for the files at the end.
      before: result.segments.map(({ start, end, text, confidence }) => ({ start, end, text, confidence })),
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
      result.show(message.text);
    } else if (message.type === "final") {
      result.show("");
      result.add(message.segments);
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
    result.show("");
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
  }

  // What was settled is what there is, where the service did not come to its end.
  finish(done = {}) {
    this.end();
    const stamp = new Date().toISOString().slice(0, 19).replace(/[T:]/g, "-");
    const { type, request_id: id, limit_reached: isLimit = false, ...body } = done;
    result.finish({ text: result.text(), segments: result.segments, ...body }, `live-${stamp}`);
    at("sc-live-details").replaceChildren(...remarks(body.warning_details));
    const link = at("sc-live-recording");
    link.href = URL.createObjectURL(wav(this.blocks.map((block) => block.sound), this.rate));
    link.download = `live-${stamp}.wav`;
    link.hidden = false;
    if (isLimit) problem.say("live_limit");
    else if (!result.segments.length) problem.say("live_nothing");
    buttons();
  }

  end() {
    if (this.isOver) return;
    this.isOver = true;
    if (!this.isStopping) this.silence();
    this.isStopping = true;
    this.socket.close();
    result.show("");
    say(null);
    session = null;
    buttons();
  }
}

function buttons() {
  const isOn = session !== null;
  at("sc-live-start").hidden = isOn;
  at("sc-live-stop").hidden = !isOn;
  at("sc-live-clear").hidden = isOn || !result.segments.length;
}

function clear() {
  result.clear();
  problem.hide();
  at("sc-live-details").replaceChildren();
  at("sc-live-recording").hidden = true;
  buttons();
}

async function begin() {
  clear();
  try {
    session = await Session.begin();
  } catch (error) {
    problem.say(error instanceof NoMicrophone ? error.key : "mic_unsupported");
  }
  buttons();
}

export function start() {
  result = new Result("sc-live");
  problem = new Problem("sc-live", begin);
  at("sc-live-start").addEventListener("click", begin);
  at("sc-live-stop").addEventListener("click", () => session?.stop());
  at("sc-live-clear").addEventListener("click", clear);
}
