// What runs here and would be lost with the page: the browser asks before it leaves.
const running = new Set();

export function busy(what, isRunning) {
  if (isRunning) running.add(what);
  else running.delete(what);
}

addEventListener("beforeunload", (event) => {
  if (!running.size) return;
  event.preventDefault();
  // Older browsers ask only with this.
  event.returnValue = "";
});
