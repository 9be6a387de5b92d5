// The system tab: asks the worker how it and the service are, while somebody looks. What is on the
// page stays there and only what has changed is written, so that a selection and its place are kept.
import { at, el } from "./dom.js";
import { clock, language, onSwitch, put, text } from "./language.js";
import { draw } from "./plots.js";
import { ask } from "./service.js";

const EVERY_MS = 2000;
const NURSERIES = ["loading", "ready"];
let last = null;

const gib = (bytes) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
const when = (seconds) => new Date(seconds * 1000).toLocaleString(document.documentElement.lang);

function gpu(s) {
  const one = s.service?.gpu;
  if (!one) return [["system_gpu_memory", s.gpu_reserved_bytes ? gib(s.gpu_reserved_bytes) : "—"]];
  return [
    ["system_gpu_memory", `${gib(one.used_bytes)} / ${gib(one.total_bytes)}`],
    ["system_gpu_use", one.utilisation_percent === null ? "—" : `${one.utilisation_percent} %`],
  ];
}

// What it computes on, in the reader's language: a processor says how many threads it has for it.
function hardware({ device, hardware: told }) {
  const [, name, count] = /^(.+) CPU, (\d+) threads?$/.exec(told) ?? [];
  if (!name) return device === told ? told : `${device} · ${told}`;
  return count === "1" ? text("system_hardware_cpu_one", { name }) : text("system_hardware_cpu", { name, count });
}

function facts(s) {
  const service = s.service;
  return [
    ["model", s.model],
    ["system_device", hardware(s)],
    ["system_queue", `${s.queue_depth} / ${s.limits.queue_length}`],
    ["system_in_flight", s.in_flight],
    ["system_live", `${s.live_sessions} / ${s.limits.live_sessions}`],
    ["system_speed", text("system_speed_value", { value: s.speed.toFixed(0) })],
    ["system_answered", s.answered],
    ["system_failed", s.failed],
    ["system_cpu", `${s.cpu_percent.toFixed(0)} %`],
    ["system_memory", `${gib(s.memory_used_bytes)} / ${gib(s.memory_bytes)}`],
    ["system_worker_memory", gib(s.worker_memory_bytes)],
    ...gpu(s),
    ["system_disk", s.disk_free_bytes === null ? "—" : gib(s.disk_free_bytes)],
    ["system_uptime", clock(s.uptime_seconds)],
    ...(service ? [
      ["system_service_uptime", clock(Date.now() / 1000 - service.since)],
      ["system_restart_count", service.restarts.count],
      ["system_nursery",
        NURSERIES.includes(service.nursery) ? text(`nursery_${service.nursery}`) : "—"],
    ] : []),
    ["system_versions", Object.entries(s.versions).map((pair) => pair.join(" ")).join(", ")],
  ];
}

function write(box, said) {
  if (box.textContent !== said) box.textContent = said;
}

function showFacts(s) {
  const told = facts(s);
  const box = at("sc-system");
  for (const [key, value] of told) {
    let cell = box.querySelector(`[data-fact=${key}]`);
    if (!cell) {
      const kind = key === "system_versions" ? { class: "sc-long" } : {};
      cell = el("div", { "data-fact": key, ...kind }, el("dt"), el("dd"));
      put(cell.firstChild, key);
      box.append(cell);
    }
    write(cell.lastChild, String(value));
  }
  // What is not told any more, for example by a supervisor that does not answer.
  const keys = new Set(told.map(([key]) => key));
  for (const cell of [...box.children]) if (!keys.has(cell.dataset.fact)) cell.remove();
}

// Why a worker ended, in the reader's language; the log has it in English. The signal's name is kept.
const CAUSES = [
  [/^signal (\w+)$/, "cause_signal"],
  [/^killed by the kernel: out of memory$/, "cause_memory"],
  [/^exit code (\d+)/, "cause_exit"],
  [/^hung: no beat$/, "cause_hung_beat"],
  [/^hung: work without progress$/, "cause_hung_work"],
  [/^hung: no answer over HTTP$/, "cause_hung_http"],
  [/^not ready within/, "cause_late"],
];

function cause(one) {
  for (const [pattern, key] of CAUSES) {
    const found = pattern.exec(one.cause);
    if (found) return text(key, { name: found[1] });
  }
  return one.cause;
}

function show(s) {
  last = s;
  showFacts(s);
  draw(at("sc-plots"), s.service?.history ?? null);
  const restarts = (s.service?.restarts.last ?? []).map((one) => `${when(one.at)} · ${cause(one)}`);
  list("sc-restarts", restarts.reverse(), "system_no_restarts");
  const alerts = (s.service?.alerts ?? []).map((one) => {
    const title = language() === "zh" ? one.title_zh : one.title;
    return `${when(one.at)} · ${title}${one.is_open ? ` · ${text("system_alert_open")}` : ""}`;
  });
  list("sc-alerts", alerts, "system_no_alerts");
}

function list(id, lines, none) {
  const items = lines.length ? lines : [text(none)];
  const box = at(id);
  while (box.children.length > items.length) box.lastChild.remove();
  items.forEach((line, index) => write(box.children[index] ?? box.appendChild(el("li")), line));
}

async function refresh() {
  try {
    show(await ask("/system"));
    put(at("sc-system-message"), null);
  } catch {
    put(at("sc-system-message"), "reconnecting");
  }
}

export function start() {
  at("sc-system-refresh").addEventListener("click", refresh);
  onSwitch(() => last && show(last));
  const isSeen = () => at("sc-system").offsetParent !== null && !document.hidden;
  setInterval(() => isSeen() && refresh(), EVERY_MS);
  // At once when the tab is opened, not two seconds later.
  new IntersectionObserver(() => isSeen() && refresh()).observe(at("sc-plots"));
}
