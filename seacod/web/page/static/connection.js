// Whether the service answers, shown above everything while it does not. The tabs go on by
// themselves when it is back; what people typed and chose is here, in the browser, all the time.
import { at } from "./dom.js";
import { put } from "./language.js";

const EVERY_MS = 5000;
const AWAY_EVERY_MS = 1000;
const SAY_BACK_MS = 4000;
// A worker is often replaced sooner than anybody can read that it went.
const SAY_AWAY_MS = 1500;

let isAway = false;
let pause = null;
let isLoggedOut = false;
let wentAt = 0;
let timer = null;
let hiding = null;

// A connection broke. That is told at once: the next worker often answers before the next look.
export function noticeLoss() {
  show(false);
  look();
}

// Whoever logged in has to do so again. In another tab, so that nothing here is lost.
export function noticeLogout() {
  if (!window.seacodSetup.login) return;
  const banner = at("sc-connection");
  const sentence = document.createElement("span");
  const link = document.createElement("a");
  link.href = `${window.seacodSetup.root}/login`;
  link.target = "_blank";
  put(banner, null);
  put(sentence, "logged_out");
  put(link, "login_button");
  banner.replaceChildren(sentence, " ", link);
  banner.classList.remove("sc-back", "sc-paused");
  banner.hidden = false;
  clearTimeout(hiding);
  isLoggedOut = true;
}

async function look() {
  clearTimeout(timer);
  let answers = false;
  let paused = pause;
  try {
    const answer = await fetch(`${window.seacodSetup.root}/health/live`, { cache: "no-store" });
    answers = answer.ok;
    if (answers) paused = (await answer.json()).pause ?? null;
  } catch {
    // It does not.
  }
  show(answers);
  if (answers) showPause(paused);
  timer = setTimeout(look, answers ? EVERY_MS : AWAY_EVERY_MS);
}

function show(answers) {
  const banner = at("sc-connection");
  // It went again before that it was back was said.
  if (!answers && isAway) clearTimeout(hiding);
  if (answers === !isAway) return;
  clearTimeout(hiding);
  const said = performance.now() - wentAt;
  if (answers && said < SAY_AWAY_MS) {
    hiding = setTimeout(() => show(true), SAY_AWAY_MS - said);
    return;
  }
  isAway = !answers;
  // That it is back helps nobody who has to log in first.
  if (answers && isLoggedOut) return noticeLogout();
  if (isAway) wentAt = performance.now();
  banner.classList.remove("sc-paused");
  banner.hidden = false;
  banner.classList.toggle("sc-back", answers);
  put(banner, answers ? "connection_back" : "reconnecting");
  if (answers) hiding = setTimeout(() => (banner.hidden = true), SAY_BACK_MS);
}

// Nothing new is taken, because an operator said so; what runs goes on.
function showPause(now) {
  const banner = at("sc-connection");
  const isOver = pause && !now;
  const isNew = now && (banner.hidden || now.reason !== pause?.reason);
  pause = now;
  if (!isOver && !isNew) return;
  clearTimeout(hiding);
  banner.hidden = isOver;
  banner.classList.remove("sc-back");
  banner.classList.toggle("sc-paused", Boolean(now));
  if (isNew) put(banner, now.reason ? "paused_because" : "paused", { reason: withoutStop(now.reason) });
}

// It stands in the middle of a sentence.
const withoutStop = (reason) => reason.replace(/[.。!！]+$/, "");

export function start() {
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return clearTimeout(timer);
    // Back from the tab of the login, perhaps; the next refusal says if not.
    if (isLoggedOut) at("sc-connection").hidden = true;
    isLoggedOut = false;
    look();
  });
  look();
}
