// Whether the service answers, shown above everything while it does not. The tabs go on by
// themselves when it is back; what people typed and chose is here, in the browser, all the time.
import { at } from "./dom.js";
import { put } from "./language.js";

const EVERY_MS = 5000;
const AWAY_EVERY_MS = 1000;
const SAY_BACK_MS = 4000;

let isAway = false;
let timer = null;
let hiding = null;

export function noticeLoss() {
  look();
}

async function look() {
  clearTimeout(timer);
  let answers = false;
  try {
    const answer = await fetch(`${window.seacodSetup.root}/health/live`, { cache: "no-store" });
    answers = answer.ok;
  } catch {
    // It does not.
  }
  show(answers);
  timer = setTimeout(look, answers ? EVERY_MS : AWAY_EVERY_MS);
}

function show(answers) {
  const banner = at("sc-connection");
  if (answers === !isAway) return;
  isAway = !answers;
  clearTimeout(hiding);
  banner.hidden = false;
  banner.classList.toggle("sc-back", answers);
  put(banner, answers ? "connection_back" : "reconnecting");
  if (answers) hiding = setTimeout(() => (banner.hidden = true), SAY_BACK_MS);
}

export function start() {
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) clearTimeout(timer);
    else look();
  });
  look();
}
