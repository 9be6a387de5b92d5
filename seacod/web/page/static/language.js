// Texts in the reader's language. What is shown remembers its key (data-text), so that a switch of
// the language finds and changes it; sentences of the server bring both languages along.
const { texts } = window.seacodSetup;
const listeners = [];

export const language = () =>
  document.documentElement.lang.toLowerCase().startsWith("zh") ? "zh" : "en";

export const text = (key, values = {}) =>
  texts[language()][key].replace(/{(\w+)}/g, (whole, name) => values[name] ?? whole);

// A text of ours in both languages, for what is kept.
export const inAll = (key) => ({ en: texts.en[key], zh: texts.zh[key] });

// Show a text of ours in an element; a value may itself be a function that makes a text.
export function put(element, key, values = {}) {
  element.seacodText = key ? () => text(key, made(values)) : null;
  refresh(element);
}

// A sentence that the server gave in both languages.
export const sentenceOf = ({ en, zh }) =>
  language() === "zh" ? asSentence(zh, "。") : asSentence(en, ".");

// Show it in an element.
export function putSentence(element, sentence) {
  element.seacodText = () => sentenceOf(sentence);
  refresh(element);
}

// The server's are made for logs and terminals, too: a small letter first, and no stop. What begins
// with a name or a key stays as it is.
function asSentence(said, stop) {
  const text = said.trim().replace(/^[a-z]+(?=[ ,])/, (word) => word[0].toUpperCase() + word.slice(1));
  return /[.。!！?？…:：]$/.test(text) ? text : text + stop;
}

const made = (values) =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [name, typeof value === "function" ? value() : value]),
  );

function refresh(element) {
  element.toggleAttribute("data-text", Boolean(element.seacodText));
  const said = element.seacodText ? element.seacodText() : "";
  // The same again would be read out again, and take a selection away.
  if (element.textContent !== said) element.textContent = said;
}

export const onSwitch = (act) => listeners.push(act);

export function switchTo(chosen) {
  try {
    localStorage.setItem("seacod.language", chosen);
  } catch {
    // Storage is off: it lasts as long as the page.
  }
  document.documentElement.lang = chosen === "zh" ? "zh-CN" : "en-US";
  fill(document);
  for (const act of listeners) act();
}

// Attributes, and everything that `put` has shown.
export function fill(root) {
  window.seacodAttributes(root);
  for (const box of root.querySelectorAll("[data-text]")) refresh(box);
}

export const seconds = (value) => () => text("seconds", { value: value.toFixed(2) });

// 3:07, or 1:02:05.
export function clock(value) {
  const whole = Math.max(0, Math.round(value));
  const parts = [Math.floor(whole / 60) % 60, whole % 60];
  const hours = Math.floor(whole / 3600);
  if (hours) parts.unshift(hours);
  return parts.map((part, index) => (index ? String(part).padStart(2, "0") : part)).join(":");
}

// 4 小时, 90 分钟, 45 秒: whole units where there are any.
export function inWords(value) {
  if (value >= 7200 && value % 1800 === 0) return text("hours", { value: value / 3600 });
  if (value >= 120 && value % 60 === 0) return text("minutes", { value: value / 60 });
  return text("seconds", { value });
}

// As people write it; a GPU is called as everywhere else.
export const deviceName = (device) => (device === "cpu" ? "CPU" : device);

const UNITS = ["B", "KiB", "MiB", "GiB"];
export function size(bytes) {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const value = bytes / 2 ** (10 * power);
  return `${Number(value.toPrecision(value < 10 ? 2 : 3))} ${UNITS[power]}`;
}
