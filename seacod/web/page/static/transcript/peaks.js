// How loud a recording is, ten times a second: said by the service, or, before it was asked, found in
// the browser for what is short.
const PER_SECOND = 10;
const RATE = 8000;
// Decoding more than this would take the browser's memory.
const MOST_BYTES = 24 * 2 ** 20;
const MOST_SECONDS = 15 * 60;
const AT_ONCE = 600;

// `peaks` of a transcript.
export function fromAnswer(peaks) {
  if (!peaks?.values) return null;
  return Uint8Array.from(atob(peaks.values), (letter) => letter.charCodeAt(0));
}

// Of 16-bit sound as it comes.
export class Peaks {
  values = [];
  #count = 0;
  #most = 0;

  constructor(rate) {
    this.step = Math.round(rate / PER_SECOND);
  }

  add(samples) {
    for (const sample of samples) {
      this.#most = Math.max(this.#most, Math.abs(sample));
      this.#count += 1;
      if (this.#count < this.step) continue;
      this.values.push(Math.min(255, this.#most >> 7));
      [this.#count, this.#most] = [0, 0];
    }
  }
}

// null where it would take too much, or the browser cannot.
export async function ofFile(file, seconds) {
  if (file.size > MOST_BYTES || seconds === null || seconds > MOST_SECONDS) return null;
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(await file.arrayBuffer());
  } catch {
    return null;
  }
  const step = RATE / PER_SECOND;
  const samples = sound.getChannelData(0);
  const values = new Uint8Array(Math.ceil(samples.length / step));
  for (let at = 0; at < values.length; at += 1) {
    let most = 0;
    for (const sample of samples.subarray(at * step, (at + 1) * step)) most = Math.max(most, Math.abs(sample));
    values[at] = Math.min(255, 255 * most);
    // Others have their turn in between.
    if (at % AT_ONCE === AT_ONCE - 1) await new Promise((resolve) => setTimeout(resolve));
  }
  return values;
}
