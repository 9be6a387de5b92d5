// Which tab is in front: clicked, with the arrow keys, by the address (#batch) or going back to it.
import { at } from "./dom.js";

const names = window.seacodSetup.tabs.map((tab) => tab.name);
const listeners = [];
const button = (name) => at(`sc-tab-of-${name}`);

export const tabInFront = () => document.documentElement.dataset.tab;

// act(name): whenever another tab comes to the front.
export const onTab = (act) => listeners.push(act);

// Bring a tab to the front, as if somebody had clicked on it.
export function openTab(name) {
  if (name === tabInFront()) return;
  show(name);
  const here = new URL(location.href);
  here.hash = name;
  history.pushState(null, "", here);
}

function show(name) {
  document.documentElement.dataset.tab = name;
  for (const one of names) {
    button(one).setAttribute("aria-selected", String(one === name));
    // One stop for the Tab key; the arrows go on from there.
    button(one).tabIndex = one === name ? 0 : -1;
  }
  for (const act of listeners) act(name);
}

// What the address says; without anything it is the tab that the page came with.
function follow(first) {
  const named = location.hash.slice(1);
  if (names.includes(named)) show(named);
  else if (!named) show(first);
}

const STEPS = { ArrowLeft: -1, ArrowRight: 1 };

function move(event) {
  const place = names.indexOf(tabInFront());
  let to = place + (STEPS[event.key] ?? 0);
  if (event.key === "Home") to = 0;
  else if (event.key === "End") to = names.length - 1;
  else if (to === place) return;
  event.preventDefault();
  const name = names[(to + names.length) % names.length];
  openTab(name);
  button(name).focus();
}

export function start() {
  const first = tabInFront();
  show(first);
  for (const name of names) button(name).addEventListener("click", () => openTab(name));
  document.querySelector("#sc-tabs [role=tablist]").addEventListener("keydown", move);
  // popstate comes for a changed hash, too, whoever changed it.
  window.addEventListener("popstate", () => follow(first));
}
