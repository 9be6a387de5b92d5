// What has just begun or gone wrong comes into view, where a narrow screen has it below the form. On a
// wide one it is beside, and nothing moves.
const NARROW = matchMedia("(max-width: 760px)");
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

export function comeIntoView(box) {
  if (!NARROW.matches) return;
  // Once what was hidden has its place.
  requestAnimationFrame(() => {
    const { top, bottom } = box.getBoundingClientRect();
    if (top >= 0 && bottom <= innerHeight / 2) return;
    box.scrollIntoView({ block: "start", behavior: CALM.matches ? "auto" : "smooth" });
  });
}
