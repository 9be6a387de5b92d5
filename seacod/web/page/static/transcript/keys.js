// Keys for the text that is in front. Where somebody types, they do what they do everywhere.
import { at, isOfInputMethod } from "../dom.js";
import { STEP_SECONDS } from "./player.js";

const transcripts = [];
const TYPING = "input, textarea, select, [contenteditable]:not([contenteditable=false])";
// What has an answer of its own to Space and Enter.
const PRESSED = "button, a, summary, [role=slider], [role=tab], label";

export const register = (transcript) => transcripts.push(transcript);

function handle(event) {
  if (event.defaultPrevented || isOfInputMethod(event)) return;
  const front = transcripts.find((one) => one.isInFront);
  if (!front) return;
  const { target, key } = event;
  const isCommand = event.ctrlKey || event.metaKey;
  const does = () => event.preventDefault();
  if (isCommand && !event.altKey && !event.shiftKey && key.toLowerCase() === "f" && front.hasText) {
    does();
    front.find.open();
    return;
  }
  if (front.editing.isOn && isCommand && key === "Enter") {
    does();
    front.playHere();
    return;
  }
  if (front.editing.isOn && key === "Escape") {
    does();
    front.editing.set(false);
    front.view.box.focus({ preventScroll: true });
    return;
  }
  if (target.closest?.(TYPING) || document.querySelector("dialog[open]")) return;
  if (isCommand && !event.altKey && ["z", "y"].includes(key.toLowerCase())) {
    does();
    if (key.toLowerCase() === "y" || event.shiftKey) front.doc.redo();
    else front.doc.undo();
    return;
  }
  if (isCommand || event.altKey) return;
  const isPressed = target.closest?.(PRESSED);
  const isInText = front.view.box === target || front.view.box.contains(target);
  const act = {
    " ": !isPressed && front.player.isReady && (() => front.player.toggle()),
    ArrowLeft: !isPressed && front.player.isReady && (() => front.player.skip(-STEP_SECONDS)),
    ArrowRight: !isPressed && front.player.isReady && (() => front.player.skip(STEP_SECONDS)),
    ArrowUp: isInText && (() => front.goSentence(-1)),
    ArrowDown: isInText && (() => front.goSentence(1)),
    Enter: isInText && !isPressed && (() => front.editHere()),
    "[": front.player.isReady && (() => front.player.changeSpeed(-1)),
    "]": front.player.isReady && (() => front.player.changeSpeed(1)),
    e: front.hasText && (() => front.editHere()),
    "?": () => at("sc-keys").showModal(),
  }[key];
  if (!act) return;
  does();
  act();
}

document.addEventListener("keydown", handle);
