// Small plots of the last hour, as SVG: one line each, its last value written beside its name.
import { el } from "./dom.js";
import { text } from "./language.js";

const WIDTH = 240;
const HEIGHT = 56;
const SVG = "http://www.w3.org/2000/svg";

const whole = (value) => String(Math.round(value));
const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

// name in the history → its text, how to write a value, and the top of the scale if it is fixed.
const PLOTS = [
  ["requests_per_minute", "plot_requests", whole, null],
  ["in_flight", "plot_in_flight", whole, null],
  ["queue_depth", "plot_queue", whole, null],
  ["cpu_percent", "plot_cpu", (value) => `${whole(value)} %`, 100],
  ["memory_used_bytes", "plot_memory", gib, null],
  ["worker_memory_bytes", "plot_worker_memory", gib, null],
  ["gpu_used_bytes", "plot_gpu_memory", gib, null],
  ["gpu_utilisation_percent", "plot_gpu_use", (value) => `${whole(value)} %`, 100],
];

function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

function plot(times, values, [, key, write, fixed]) {
  const known = values.filter((value) => value !== null);
  const top = fixed ?? Math.max(1, ...known) * 1.1;
  const [from, to] = [times.at(-1) - 3600, times.at(-1)];
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  // A gap where nothing is known: the worker was away.
  let line = "";
  let isDown = false;
  values.forEach((value, index) => {
    if (value === null) {
      isDown = false;
      return;
    }
    const x = (WIDTH * (times[index] - from)) / (to - from);
    const y = HEIGHT - (HEIGHT - 2) * Math.min(1, value / top) - 1;
    line += `${isDown ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    isDown = true;
  });
  picture.append(svg("path", { d: line, "vector-effect": "non-scaling-stroke" }));
  const present = known.length ? write(known.at(-1)) : "—";
  const most = known.length ? text("plot_most", { value: write(Math.max(...known)) }) : "";
  return el("figure", {},
    el("figcaption", {}, el("span", {}, text(key)), el("b", {}, present)), picture, el("small", {}, most));
}

// history: `times` in Unix seconds, and a list of the same length for each name.
export function draw(box, history) {
  const isThere = history && history.times.length > 1;
  const plots = isThere ? PLOTS.filter(([name]) => history[name]?.some((value) => value !== null)) : [];
  box.replaceChildren(...plots.map((kind) => plot(history.times, history[kind[0]], kind)));
  if (!plots.length) box.append(el("p", { class: "sc-hint" }, text("plot_none")));
}
