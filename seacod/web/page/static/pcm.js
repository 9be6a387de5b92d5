// In the browser's audio thread: sound as 16-bit numbers, in messages of a tenth of a second.
class Pcm extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Int16Array(Math.round(sampleRate / 10));
    this.filled = 0;
    this.peak = 0;
  }

  process([[channel]]) {
    if (!channel) return true;
    for (const sample of channel) {
      const bounded = Math.max(-1, Math.min(1, sample));
      this.peak = Math.max(this.peak, Math.abs(bounded));
      this.block[this.filled] = Math.round(bounded * 32767);
      this.filled += 1;
      if (this.filled === this.block.length) this.give();
    }
    return true;
  }

  give() {
    const sent = this.block.slice(0, this.filled);
    this.port.postMessage({ sound: sent.buffer, peak: this.peak }, [sent.buffer]);
    this.filled = 0;
    this.peak = 0;
  }
}

registerProcessor("seacod-pcm", Pcm);
