// A sentence as data. It is never changed: who edits it gets another one with the same id.
//   id, start, end (seconds), speaker, confidence, text,
//   words: [{from, to, start, end, confidence}]: where each stands in the text, and when it is heard.
// `given` is what the service said, as long as nothing of it was changed.
const LETTER = /[\p{L}\p{N}]/u;
// A Chinese character is a word; letters and figures of others are one together.
const PIECE = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}]|[\p{L}\p{N}\p{M}'’_.-]*[\p{L}\p{N}]/gu;
// How far a word is looked for that does not come next: figures are written otherwise than said.
const TOKENS_AHEAD = 40;
const CHARACTERS_AHEAD = 60;

let last = 0;
const another = () => (last += 1);

export function fromSegment(segment) {
  const { start, end, text, confidence = null, speaker = null } = segment;
  const words = aligned(text, segment);
  return { id: another(), start, end, speaker, confidence, text, words, given: segment };
}

// What the service writes files from.
export function toSegment(sentence) {
  if (sentence.given) return sentence.given;
  const { start, end, text, confidence, speaker, words } = sentence;
  const tokens = words.map((word) => ({
    text: text.slice(word.from, word.to), start: word.start, end: word.end, confidence: word.confidence,
    ...(word.speaker ? { speaker: word.speaker } : {}),
  }));
  return { start, end, text, confidence, speaker, tokens };
}

// What is kept in the browser; ids are of this visit only.
export const packed = ({ start, end, text, confidence, speaker, words, given }) =>
  given ? { given } : { start, end, text, confidence, speaker, words };
export const unpacked = (kept) =>
  kept.given ? fromSegment(kept.given) : { ...kept, id: another(), given: null };

// The word that a character of the text belongs to: the one it is in, or the one before it.
export function wordAt(sentence, character) {
  let found = sentence.words[0] ?? null;
  for (const word of sentence.words) {
    if (word.from > character) break;
    found = word;
  }
  return found;
}

export function wordHeard(sentence, seconds) {
  let found = null;
  for (const word of sentence.words) {
    if (word.start > seconds) break;
    found = word;
  }
  return found;
}

// -- what people do to it -------------------------------------------------------------------------

// With another text. Words that stay keep their times; as many others in their place take theirs.
export function edited(sentence, text) {
  const old = sentence.text;
  if (text === old) return sentence;
  const most = Math.min(old.length, text.length);
  let head = 0;
  while (head < most && old[head] === text[head]) head += 1;
  let tail = 0;
  while (tail < most - head && old[old.length - 1 - tail] === text[text.length - 1 - tail]) tail += 1;
  const shift = text.length - old.length;
  const before = [];
  const gone = [];
  const after = [];
  for (const word of sentence.words) {
    if (word.to <= head) before.push(word);
    else if (word.from >= old.length - tail) after.push({ ...word, from: word.from + shift, to: word.to + shift });
    else gone.push(word);
  }
  const from = gone.length ? Math.min(head, gone[0].from) : head;
  const to = gone.length ? Math.max(text.length - tail, gone.at(-1).to + shift) : text.length - tail;
  const starts = gone[0]?.start ?? before.at(-1)?.end ?? sentence.start;
  const ends = gone.at(-1)?.end ?? after[0]?.start ?? sentence.end;
  const fresh = timed(text, from, to, starts, Math.max(starts, ends), gone);
  return changed(sentence, { text, words: [...before, ...fresh, ...after] });
}

export const spokenBy = (sentence, names) => {
  const other = (name) => names[name] ?? name;
  const words = sentence.words.map((word) => (word.speaker ? { ...word, speaker: other(word.speaker) } : word));
  return { ...sentence, speaker: other(sentence.speaker), words, given: null };
};

// Two of one: what stands before a place, and what stands behind it.
export function split(sentence, offset) {
  const left = [];
  const right = [];
  for (const word of sentence.words) {
    if (word.to <= offset) left.push(word);
    else if (word.from >= offset) right.push(word);
    else {
      const middle = word.start + ((word.end - word.start) * (offset - word.from)) / (word.to - word.from);
      left.push({ ...word, to: offset, end: middle });
      right.push({ ...word, from: offset, start: middle });
    }
  }
  const share = sentence.text.length ? offset / sentence.text.length : 0;
  const middle = sentence.start + share * (sentence.end - sentence.start);
  const first = sentence.text.slice(0, offset).trimEnd();
  const rest = sentence.text.slice(offset);
  const second = rest.trimStart();
  const moved = offset + rest.length - second.length;
  const ends = left.at(-1)?.end ?? right[0]?.start ?? middle;
  return [
    changed(sentence, { text: first, words: left, end: ends }),
    changed({ ...sentence, id: another() }, {
      text: second, start: right[0]?.start ?? ends,
      words: right.map((word) => ({ ...word, from: word.from - moved, to: word.to - moved })),
    }),
  ];
}

// One of two; with it the place where they meet.
export function joined(first, second) {
  const gap = needsBlank(first.text, second.text) ? " " : "";
  const shift = first.text.length + gap.length;
  const words = second.words.map((word) => ({ ...word, from: word.from + shift, to: word.to + shift }));
  return [
    changed(first, {
      text: first.text + gap + second.text, words: [...first.words, ...words],
      end: Math.max(first.end, second.end),
    }),
    shift,
  ];
}

// Each place of a text, from the back to the front, with another text.
export function replaced(sentence, places, other) {
  let made = sentence;
  for (const { from, to } of [...places].reverse()) {
    made = edited(made, made.text.slice(0, from) + other + made.text.slice(to));
  }
  return made;
}

// All of them as one text, as the service puts it together: a line for each turn.
export function composed(sentences, isByTrack) {
  const shown = sentences.filter((one) => one.text.trim());
  if (isByTrack) {
    const names = [...new Set(shown.map((one) => one.speaker ?? ""))].sort();
    return names
      .map((name) => `${name}:\n${running(shown.filter((one) => (one.speaker ?? "") === name))}`)
      .join("\n\n");
  }
  const lines = [];
  for (const one of shown) {
    if (lines.length && lines.at(-1)[0].speaker === one.speaker) lines.at(-1).push(one);
    else lines.push([one]);
  }
  return lines.map(running).join("\n");
}

export function running(sentences) {
  let text = "";
  for (const one of sentences) text += (text && LETTER.test(text.at(-1)) ? " " : "") + one.text;
  return text;
}

// -- words and times ------------------------------------------------------------------------------

function changed(sentence, what) {
  const made = { ...sentence, ...what, given: null };
  const known = made.words.map((word) => word.confidence).filter((one) => one !== null);
  made.confidence = known.length ? known.reduce((sum, one) => sum + one, 0) / known.length : null;
  return made;
}

const needsBlank = (before, after) =>
  /[\p{L}\p{N}]$/u.test(before) && /^[\p{sc=Latin}\p{N}]/u.test(after) && !/\p{sc=Han}$/u.test(before);

// Words of a stretch of text that nobody has timed.
function timed(text, from, to, starts, ends, gone) {
  const pieces = [...text.slice(from, to).matchAll(PIECE)]
    .map((found) => ({ from: from + found.index, to: from + found.index + found[0].length }));
  if (pieces.length === gone.length) {
    return pieces.map((piece, i) => ({ ...gone[i], ...piece, confidence: null }));
  }
  const letters = pieces.reduce((sum, piece) => sum + piece.to - piece.from, 0);
  const step = letters ? (ends - starts) / letters : 0;
  let at = starts;
  return pieces.map((piece) => {
    const start = at;
    at += step * (piece.to - piece.from);
    return { ...piece, start, end: at, confidence: null };
  });
}

// Where each word of the model stands in what is written: that has punctuation, and figures.
function aligned(text, { tokens = [], start, end }) {
  const lower = text.toLowerCase();
  const written = lower.length === text.length ? lower : text;
  const said = tokens.map((token) => (written === lower ? token.text.toLowerCase() : token.text));
  const words = [];
  let at = 0;
  let next = 0;
  const put = (from, to, first, behind) => {
    while (from < to && !LETTER.test(text[from])) from += 1;
    while (to > from && !LETTER.test(text[to - 1])) to -= 1;
    if (from >= to) return;
    const own = tokens.slice(first, behind);
    const known = own.map((token) => token.confidence ?? null).filter((one) => one !== null);
    words.push({
      from, to, start: own[0]?.start ?? words.at(-1)?.end ?? start, end: own.at(-1)?.end ?? end,
      confidence: known.length ? Math.min(...known) : null,
      ...(own[0]?.speaker ? { speaker: own[0].speaker } : {}),
    });
  };
  while (next < said.length) {
    let from = at;
    while (from < text.length && !LETTER.test(text[from]) && !written.startsWith(said[next], from)) from += 1;
    if (said[next] && written.startsWith(said[next], from)) {
      const token = tokens[next];
      at = from + said[next].length;
      words.push({
        from, to: at, start: token.start, end: token.end, confidence: token.confidence ?? null,
        ...(token.speaker ? { speaker: token.speaker } : {}),
      });
      next += 1;
      continue;
    }
    // Written otherwise than it is said: up to the next word that stands there.
    let [behind, place] = [said.length, text.length];
    for (let ahead = next + 1; ahead < Math.min(said.length, next + TOKENS_AHEAD); ahead += 1) {
      const found = said[ahead] ? written.indexOf(said[ahead], at) : -1;
      if (found >= 0 && found - at <= CHARACTERS_AHEAD) {
        [behind, place] = [ahead, found];
        break;
      }
    }
    put(at, place, next, behind);
    [next, at] = [behind, place];
  }
  put(at, text.length, said.length, said.length);
  return words;
}
