// Talks to the service: addresses, refusals, uploads with progress, answers that come in events.
import { noticeLogout, noticeLoss } from "./connection.js";

const READY_EVERY_MS = 1000;

export const address = (path) => window.seacodSetup.root + path;

// The service said no. `sentence` is in both languages.
export class Refusal extends Error {
  constructor(status, body) {
    super(`refused with ${status}`);
    if (status === 401) noticeLogout();
    const error = body?.error ?? {};
    this.status = status;
    this.sentence = error.message ? { en: error.message, zh: error.message_zh } : null;
    this.retryAfterSeconds = error.retry_after_seconds ?? null;
  }
}

// The connection broke, or the worker behind it is gone.
export class Lost extends Error {}
// Somebody here gave it up.
export class GivenUp extends Error {}

export async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(address(path), { cache: "no-store", ...options });
  } catch {
    noticeLoss();
    throw new Lost();
  }
  let body = null;
  try {
    body = await answer.json();
  } catch {
    // Not ours: a proxy's, say.
  }
  if (!answer.ok) throw new Refusal(answer.status, body);
  return body;
}

// Resolves when new work is taken again, or somebody gives it up.
export async function untilReady(signal = null) {
  while (!signal?.aborted) {
    try {
      const answer = await fetch(address("/health/ready"), { cache: "no-store" });
      if (answer.ok) return;
    } catch {
      // Not yet.
    }
    await new Promise((resolve) => setTimeout(resolve, READY_EVERY_MS));
  }
}

// The limits in force; they may change while the page is open.
let known = { at: 0, limits: null };
export async function limits() {
  if (!known.limits || Date.now() - known.at > 60_000) {
    known = { at: Date.now(), limits: (await ask("/system")).limits };
  }
  return known.limits;
}

// The longest recording that is taken, in seconds.
export const longest = (limits) =>
  limits.long_audio === "reject" ? limits.direct_audio_seconds : limits.max_audio_seconds;

// A transcript as a file of some format; a Blob.
export async function written(format, body) {
  const answer = await fetch(address(`/formats/${format}`), {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ...body, also: undefined }),
  });
  if (!answer.ok) throw new Refusal(answer.status, null);
  return answer.blob();
}

// Send a form. fetch() cannot tell how much of an upload has gone; XMLHttpRequest can.
//   onUpload(share), onEvent(name, data): for an answer in server-sent events.
// Resolves with the body of a JSON answer, or null after the last event.
export function send(path, form, { onUpload, onEvent, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address(path));
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) onUpload?.(event.loaded / event.total);
    };
    let read = 0;
    const isStream = () =>
      request.getResponseHeader("Content-Type")?.startsWith("text/event-stream") ?? false;
    const takeEvents = () => {
      if (request.readyState < 3 || !isStream()) return;
      const end = request.responseText.lastIndexOf("\n\n");
      if (end < read) return;
      const fresh = request.responseText.slice(read, end);
      read = end + 2;
      for (const block of fresh.split("\n\n")) takeEvent(block, onEvent);
    };
    request.onprogress = takeEvents;
    request.onload = () => {
      takeEvents();
      if (request.status === 0) return lost();
      if (isStream()) return resolve(null);
      let body = null;
      try {
        body = JSON.parse(request.responseText);
      } catch {
        // Not ours.
      }
      if (request.status >= 200 && request.status < 300) resolve(body);
      else reject(new Refusal(request.status, body));
    };
    const lost = () => {
      takeEvents();
      noticeLoss();
      reject(new Lost());
    };
    request.onerror = lost;
    request.onabort = () => reject(new GivenUp());
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

function takeEvent(block, onEvent) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    else if (line.startsWith("data: ")) data.push(line.slice(6));
  }
  if (data.length) onEvent?.(name, JSON.parse(data.join("\n")));
}
