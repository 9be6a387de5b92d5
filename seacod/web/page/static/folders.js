// Files that were dropped, those in folders, too: folders are walked as deep as they go, within reason.
const MOST_FILES = 5000;
const MOST_DEPTH = 20;
// What systems leave lying about.
const NOT_MEANT = /^(\.|Thumbs\.db$|desktop\.ini$)/i;

export const isMeant = (file) => !NOT_MEANT.test(file.name);

// Asked for at once: after the event there is nothing left to ask.
export function droppedFiles(dataTransfer) {
  const entries = [...dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...dataTransfer.files];
  if (!entries.some((entry) => entry.isDirectory)) return Promise.resolve(plain);
  return walked(entries);
}

async function walked(entries) {
  const files = [];
  const walk = async (entry, depth) => {
    if (files.length >= MOST_FILES || depth > MOST_DEPTH) return;
    try {
      if (entry.isFile) files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
      else {
        const reader = entry.createReader();
        // A reader gives a hundred at a time, and none at the end.
        for (;;) {
          const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
          if (!some.length) break;
          for (const one of some.sort((a, b) => a.name.localeCompare(b.name))) await walk(one, depth + 1);
        }
      }
    } catch {
      // Gone or not to be read: the others are.
    }
  };
  for (const entry of entries) await walk(entry, 0);
  return files.filter(isMeant);
}
