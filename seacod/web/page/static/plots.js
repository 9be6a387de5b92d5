// Small plots of the last hour, as SVG: a line each, with what is at the top, at the bottom, an hour
// ago and now. A figure once made stays and changes, so that what somebody has selected stays selected.
import { el } from "./dom.js";
import { put, text } from "./language.js";

const WIDTH = 300;
const HEIGHT = 96;
// Room for the figures of the axes.
const LEFT = 44;
const BOTTOM = 16;
const HOUR_SECONDS = 3600;
const SVG = "http://www.w3.org/2000/svg";
const GIB = 2 ** 30;

const whole = (value) => String(Math.round(value));
const percent = (value) => `${Math.round(value)} %`;
const gib = (bytes) => `${Number((bytes / GIB).toFixed(bytes < 10 * GIB ? 1 : 0))} GiB`;

// name in the history → its text, how to write a value, what its scale is a multiple of, and the
// top of it if that is fixed.
const PLOTS = [
  ["requests_per_minute", "plot_requests", whole, 1, null],
  ["in_flight", "plot_in_flight", whole, 1, null],
  ["queue_depth", "plot_queue", whole, 1, null],
  ["cpu_percent", "plot_cpu", percent, 1, 100],
  ["memory_used_bytes", "plot_memory", gib, GIB, null],
  ["worker_memory_bytes", "plot_worker_memory", gib, GIB / 10, null],
  ["gpu_used_bytes", "plot_gpu_memory", gib, GIB, null],
  ["gpu_utilisation_percent", "plot_gpu_use", percent, 1, 100],
];

// A round number that is at least as much: 1, 2, 4 or 5 times a power of ten.
function roundUp(value, unit) {
  const units = Math.max(1, value / unit);
  const power = 10 ** Math.floor(Math.log10(units) + 1e-9);
  return unit * power * [1, 2, 4, 5, 10].find((step) => step * power >= units - 1e-9);
}

function svg(tag, attributes, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

class Plot {
  constructor([name, key, write, unit, fixed]) {
    Object.assign(this, { name, write, unit, fixed });
    const [right, bottom] = [WIDTH - 2, HEIGHT - BOTTOM];
    this.line = svg("path", { "vector-effect": "non-scaling-stroke" });
    this.top = svg("text", { x: LEFT - 5, y: 10, "text-anchor": "end" });
    this.from = svg("text", { x: LEFT, y: HEIGHT - 3 });
    this.to = svg("text", { x: right, y: HEIGHT - 3, "text-anchor": "end" });
    this.picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" },
      svg("path", { class: "sc-grid", d: `M${LEFT} 6H${right}M${LEFT} ${(6 + bottom) / 2}H${right}M${LEFT} ${bottom}H${right}` }),
      this.top, svg("text", { x: LEFT - 5, y: bottom + 3, "text-anchor": "end" }, "0"),
      this.from, this.to, this.line);
    const title = el("span");
    put(title, key);
    this.title = title;
    this.present = el("b");
    this.figure = el("figure", {}, el("figcaption", {}, title, this.present), this.picture);
  }

  show(times, values) {
    const known = values.filter((value) => value !== null);
    this.figure.hidden = !known.length;
    if (!known.length) return;
    const most = Math.max(...known);
    const top = this.fixed ?? roundUp(most, this.unit);
    const [from, to] = [times.at(-1) - HOUR_SECONDS, times.at(-1)];
    this.line.setAttribute("d", path(times, values, from, to, top));
    write(this.top, this.write(top));
    write(this.from, time(from));
    write(this.to, time(to));
    write(this.present, this.write(known.at(-1)));
    const said = text("plot_most", { value: this.write(most) });
    this.picture.setAttribute("aria-label", `${this.title.textContent}: ${said}`);
    this.figure.title = said;
  }
}

// Text that is the same is not written again: a selection in it would be lost.
function write(box, said) {
  if (box.textContent !== said) box.textContent = said;
}

const time = (seconds) =>
  new Date(1000 * seconds).toLocaleTimeString(document.documentElement.lang,
    { hour: "2-digit", minute: "2-digit" });

function path(times, values, from, to, top) {
  const [width, height] = [WIDTH - 2 - LEFT, HEIGHT - BOTTOM - 6];
  let line = "";
  // A gap where nothing is known: the worker was away.
  let isDown = false;
  values.forEach((value, index) => {
    if (value === null) {
      isDown = false;
      return;
    }
    const x = LEFT + (width * (times[index] - from)) / (to - from);
    const y = 6 + height * (1 - Math.min(1, value / top));
    line += `${isDown ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    isDown = true;
  });
  return line;
}

const plots = new Map();

// history: `times` in Unix seconds, and a list of the same length for each name.
export function draw(box, history) {
  const isThere = history && history.times.length > 1;
  if (!plots.size) {
    for (const kind of PLOTS) plots.set(kind[0], new Plot(kind));
    const none = el("p", { class: "sc-hint" });
    put(none, "plot_none");
    box.replaceChildren(none, ...[...plots.values()].map((one) => one.figure));
  }
  for (const plot of plots.values()) {
    plot.show(history?.times ?? [], isThere ? (history[plot.name] ?? []) : []);
  }
  box.firstChild.hidden = Boolean(isThere);
}
