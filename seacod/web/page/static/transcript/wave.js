// The wave of a recording on a canvas, from how loud each tenth of a second is.
const BAR = 3;
const GAP = 1;

export class Wave {
  constructor(canvas) {
    this.canvas = canvas;
    this.peaks = null;
    this.share = 0;
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
  }

  show(peaks) {
    this.peaks = peaks?.length ? peaks : null;
    this.loudest = this.peaks ? Math.max(8, this.peaks.reduce((most, one) => Math.max(most, one), 0)) : 1;
    this.draw();
  }

  // share: how much of it was played.
  at(share) {
    this.share = share;
    this.draw();
  }

  draw() {
    const { canvas } = this;
    const scale = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    if (!width || !height) return;
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    const style = getComputedStyle(canvas);
    const [ahead, done] = [style.getPropertyValue("--sc-wave"), style.getPropertyValue("--sc-wave-done")];
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    const bars = Math.floor(width / BAR);
    for (let bar = 0; bar < bars; bar += 1) {
      const loud = this.peaks ? this.#loudest(bar / bars, (bar + 1) / bars) / this.loudest : 0;
      const tall = Math.max(2, loud * (height - 2));
      context.fillStyle = (bar + 0.5) / bars < this.share ? done : ahead;
      context.fillRect(bar * BAR, (height - tall) / 2, BAR - GAP, tall);
    }
  }

  #loudest(from, to) {
    const first = Math.floor(from * this.peaks.length);
    const behind = Math.max(first + 1, Math.floor(to * this.peaks.length));
    let most = 0;
    for (let at = first; at < behind; at += 1) most = Math.max(most, this.peaks[at]);
    return most;
  }
}
