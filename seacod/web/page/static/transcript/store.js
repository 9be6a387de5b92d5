// What this browser keeps (IndexedDB): recordings, their texts, every correction as it is made, so that
// a reload or a crash takes nothing. Nothing of it is sent anywhere. Where storage is off or full the
// page works without it, and says so.
//   recordings: {id, kind, name, at, changed, size, seconds, state, excerpt, hasSound}
//   texts:      {id, body, sentences}   sentences as sentences.js packs them
//   steps:      {recording, at, count, inserted}, in the order in which they were made
//   sounds:     {id, sound, peaks}
import { busy } from "./leaving.js";

const NAME = "seacod";
const VERSION = 1;
const MOST_SOUND_BYTES = 2 ** 30;
const DAY_MS = 86_400_000;
// After so many steps the whole text is written once more.
const MOST_STEPS = 200;
const EXCERPT_CHARACTERS = 40;
const STORES = ["recordings", "texts", "steps", "sounds"];

let opening = null;
let pending = 0;

function open() {
  if (opening) return opening;
  opening = new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = () => {
      const db = request.result;
      db.createObjectStore("recordings", { keyPath: "id" });
      db.createObjectStore("texts", { keyPath: "id" });
      db.createObjectStore("sounds", { keyPath: "id" });
      db.createObjectStore("steps", { autoIncrement: true }).createIndex("recording", "recording");
    };
    request.onsuccess = () => {
      const db = request.result;
      // Closed by the browser, or in the way of another window: who comes next opens it anew.
      db.onclose = () => (opening = null);
      db.onversionchange = () => {
        db.close();
        opening = null;
      };
      resolve(db);
    };
    request.onerror = () => reject(request.error);
    request.onblocked = () => reject(new Error("blocked"));
  });
  // It may be possible later on.
  opening.catch(() => (opening = null));
  return opening;
}

// act(store of a name) → a request whose result is wanted, or nothing. null where it cannot be kept.
async function within(mode, names, act) {
  const isWriting = mode === "readwrite";
  if (isWriting) busy("writing", (pending += 1) > 0);
  try {
    const db = await open();
    return await new Promise((resolve, reject) => {
      const transaction = db.transaction(names, mode);
      const result = act((name) => transaction.objectStore(name));
      transaction.oncomplete = () => resolve(result?.result ?? null);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  } finally {
    if (isWriting) busy("writing", (pending -= 1) > 0);
  }
}

export const newId = () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;

export const excerptOf = (sentences) => {
  let text = "";
  for (const one of sentences) if ((text += one.given?.text ?? one.text).length > EXCERPT_CHARACTERS) break;
  return text.slice(0, EXCERPT_CHARACTERS);
};

// Whether there is room for so much more sound.
async function fits(bytes) {
  if (bytes > MOST_SOUND_BYTES) return false;
  const { quota = Infinity, usage = 0 } = (await navigator.storage?.estimate?.().catch(() => ({}))) ?? {};
  return usage + 1.5 * bytes < quota;
}

// A recording that is new, or known by its id. Returns whether it is kept.
// The text goes first and at once: what is corrected from here on is a step after it.
export async function keep(recording, { body = null, sentences = null, sound = null, peaks = null } = {}) {
  try {
    await within("readwrite", ["recordings", "texts", "steps"], (store) => {
      const before = store("recordings").get(recording.id);
      before.onsuccess = () => {
        const made = { ...before.result, ...recording, changed: Date.now() };
        made.hasSound = Boolean(before.result?.hasSound);
        // What is told of its sound may come after its text.
        if (before.result?.state === "done") made.state = "done";
        store("recordings").put(made);
      };
      if (!body) return;
      store("texts").put({ id: recording.id, body, sentences });
      forget(store("steps"), recording.id);
    });
  } catch {
    return false;
  }
  if (sound) await keepSound(recording.id, sound, peaks);
  return true;
}

// Where it does not fit the text is kept without it.
async function keepSound(id, sound, peaks) {
  if (!(await fits(sound.size))) return;
  await within("readwrite", ["recordings", "sounds"], (store) => {
    const before = store("recordings").get(id);
    before.onsuccess = () => {
      // Deleted meanwhile.
      if (!before.result) return;
      store("recordings").put({ ...before.result, hasSound: true });
      store("sounds").put({ id, sound, peaks });
    };
  }).catch(() => {});
}

export async function keepPeaks(id, peaks) {
  await within("readwrite", ["sounds"], (store) => {
    const before = store("sounds").get(id);
    before.onsuccess = () => before.result && store("sounds").put({ ...before.result, peaks });
  }).catch(() => {});
}

// One change of a text, at once. Returns how many there are since the whole was written; null where it
// is not kept, or the recording is there no more (deleted in another window): the whole is to be kept.
export async function step(id, { at, removed, inserted }) {
  try {
    return await within("readwrite", ["steps", "recordings"], (store) => {
      store("steps").add({ recording: id, at, count: removed.length, inserted });
      const found = store("recordings").get(id);
      found.onsuccess = () => {
        if (found.result) store("recordings").put({ ...found.result, changed: Date.now() });
        else found.transaction.abort();
      };
      return store("steps").index("recording").count(id);
    });
  } catch {
    return null;
  }
}

export const isManySteps = (count) => count !== null && count > MOST_STEPS;

// Everything of one, its steps done; null where it is gone.
export async function load(id) {
  try {
    const found = {};
    await within("readonly", STORES, (store) => {
      for (const name of ["recordings", "texts", "sounds"]) {
        const request = store(name).get(id);
        request.onsuccess = () => (found[name] = request.result);
      }
      const request = store("steps").index("recording").getAll(id);
      request.onsuccess = () => (found.steps = request.result);
    });
    if (!found.recordings) return null;
    let sentences = found.texts?.sentences ?? [];
    for (const { at, count, inserted } of found.steps) {
      sentences = [...sentences.slice(0, at), ...inserted, ...sentences.slice(at + count)];
    }
    return {
      recording: found.recordings, body: found.texts?.body ?? null, sentences,
      sound: found.sounds?.sound ?? null, peaks: found.sounds?.peaks ?? null,
    };
  } catch {
    return null;
  }
}

// The newest first; null where nothing can be kept.
export async function list() {
  try {
    const all = await within("readonly", ["recordings"], (store) => store("recordings").getAll());
    return all.sort((a, b) => b.at - a.at);
  } catch {
    return null;
  }
}

export async function remove(ids) {
  await within("readwrite", STORES, (store) => {
    for (const id of ids) {
      for (const name of ["recordings", "texts", "sounds"]) store(name).delete(id);
      forget(store("steps"), id);
    }
  }).catch(() => {});
}

// What is older than so many days (0 keeps everything), but for what is open; returns their ids.
export async function sweep(days, isOpen) {
  if (!days) return [];
  const before = Date.now() - days * DAY_MS;
  const old = ((await list()) ?? []).filter((one) => one.changed < before && !isOpen(one.id)).map((one) => one.id);
  if (old.length) await remove(old);
  return old;
}

function forget(steps, id) {
  const request = steps.index("recording").openKeyCursor(IDBKeyRange.only(id));
  request.onsuccess = () => {
    const cursor = request.result;
    if (!cursor) return;
    steps.delete(cursor.primaryKey);
    cursor.continue();
  };
}
