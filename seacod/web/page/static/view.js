// What has just begun or gone wrong comes into view. It may stand below the form, and the player at
// the bottom of the window lies over what is there. A narrow screen shows it at its top, with what
// follows below it; a wide one moves no further than it has to.
const NARROW = matchMedia("(max-width: 760px)");
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const GAP_PIXELS = 12;
// What lies over the page; that the service is paused has a place in it.
const OVER_TOP = ".sc-connection:not(.sc-paused), .sc-microphone-on";
const OVER_BOTTOM = ".sc-player";

export function comeIntoView(box) {
  // Once what was hidden has its place.
  requestAnimationFrame(() => {
    const { top, bottom, height } = box.getBoundingClientRect();
    if (!height) return;
    const from = Math.max(0, ...shown(OVER_TOP).map((rect) => rect.bottom)) + GAP_PIXELS;
    // By its height: where it sticks is stale until the next frame (Chromium 156).
    const until = innerHeight - Math.max(0, ...shown(OVER_BOTTOM).map((rect) => rect.height)) - GAP_PIXELS;
    const lowest = NARROW.matches ? Math.min(until, innerHeight / 2) : until;
    if (top >= from && bottom <= lowest) return;
    const toTop = top - from;
    const by = NARROW.matches ? toTop : Math.min(toTop, bottom - until);
    scrollBy({ top: by, behavior: CALM.matches ? "auto" : "smooth" });
  });
}

const shown = (selector) =>
  [...document.querySelectorAll(selector)].map((one) => one.getBoundingClientRect()).filter(({ height }) => height);
