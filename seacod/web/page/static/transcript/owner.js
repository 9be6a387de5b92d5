// Which window has a recording open: the one that opened it last writes its corrections; the others
// say so and keep their hands off.
const me = Math.random().toString(36).slice(2);
const channel = typeof BroadcastChannel === "function" ? new BroadcastChannel("seacod") : null;
let mine = new Map();

channel?.addEventListener("message", ({ data }) => {
  if (data.by === me || !mine.has(data.opened)) return;
  const lose = mine.get(data.opened);
  mine.delete(data.opened);
  lose();
});

// onLost(): another window has it now.
export function own(id, onLost) {
  mine.set(id, onLost);
  channel?.postMessage({ opened: id, by: me });
}

export const disown = (id) => mine.delete(id);
export const isMine = (id) => mine.has(id);
