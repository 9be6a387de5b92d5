// A text in paragraphs: by pauses, and by who speaks.
import { running } from "./sentences.js";

// As the service divides a text (seacod/formats/text.py).
const PAUSE_SECONDS = 2;
const LONG_SECONDS = 30;
const LONG_PAUSE_SECONDS = 0.6;
const LONGEST_SECONDS = 60;

export function* paragraphs(sentences) {
  let part = [];
  for (const sentence of sentences) {
    if (part.length && endsBefore(sentence, part)) {
      yield part;
      part = [];
    }
    part.push(sentence);
  }
  if (part.length) yield part;
}

function endsBefore(sentence, part) {
  const last = part.at(-1);
  const pause = sentence.start - last.end;
  const seconds = last.end - part[0].start;
  return sentence.speaker !== last.speaker || pause >= PAUSE_SECONDS
    || (seconds >= LONG_SECONDS && pause >= LONG_PAUSE_SECONDS) || seconds >= LONGEST_SECONDS;
}

// As people copy it: a line for each paragraph, with the name of who speaks.
export const plain = (sentences) =>
  [...paragraphs(sentences.filter((one) => one.text.trim()))]
    .map((part) => (part[0].speaker ? `${part[0].speaker}: ` : "") + running(part))
    .join("\n");
