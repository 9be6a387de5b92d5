// What is said outside of the page: a mark in front of the title while the microphone is on or when
// something long is over, and a notification for who wanted one and looks elsewhere.
import { el, memory } from "../dom.js";
import { onSwitch, put, text } from "../language.js";
import { speak } from "../spoken.js";
import { openTab } from "../tabs.js";

const MICROPHONE = "● ";
const DONE = "✓ ";
const FAILED = "✗ ";
const LONG_MS = 20_000;
let mark = "";
let sign = null;

function show() {
  const plain = [MICROPHONE, DONE, FAILED].reduce((title, one) => title.replace(one, ""), document.title);
  if (document.title !== mark + plain) document.title = mark + plain;
}

// On all tabs, too: a sign that leads to the tab where it is on.
export function microphone(isOn, tab = null) {
  mark = isOn ? MICROPHONE : "";
  show();
  sign?.remove();
  sign = null;
  if (!isOn) return;
  speak("tr_microphone_on");
  sign = el("button", { type: "button", class: "sc-microphone-on" }, el("i", {}), el("span", {}));
  put(sign.lastElementChild, "tr_microphone_on");
  sign.addEventListener("click", () => openTab(tab));
  document.body.append(sign);
}

// Something is over that began then (performance.now()); `body` is a text of its own.
export function done(began, body, { isFailed = false } = {}) {
  if (!document.hidden || performance.now() - began < LONG_MS) return;
  if (mark !== MICROPHONE) mark = isFailed ? FAILED : DONE;
  show();
  if (typeof Notification !== "function" || Notification.permission !== "granted") return;
  if (!memory.get("notify", false)) return;
  try {
    const told = new Notification(text(isFailed ? "tr_notice_failed" : "tr_notice_done"), { body, tag: "seacod" });
    told.onclick = () => {
      window.focus();
      told.close();
    };
  } catch {
    // Some phones allow them to installed pages only.
  }
}

// Asked for by who wants to be told: browsers allow it after a click only.
export function offer(choice) {
  const isKnown = typeof Notification === "function";
  choice.closest("label").hidden = !isKnown;
  if (!isKnown) return;
  const show = () => (choice.checked = memory.get("notify", false) && Notification.permission === "granted");
  show();
  choice.addEventListener("change", async () => {
    memory.set("notify", choice.checked);
    if (choice.checked && Notification.permission === "default") await Notification.requestPermission();
    show();
  });
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden || mark === MICROPHONE) return;
  mark = "";
  show();
});
onSwitch(() => setTimeout(show));
