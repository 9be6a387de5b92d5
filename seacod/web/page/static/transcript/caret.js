// Where the caret is in a line of plain text, and where somebody points.
export function caretIn(line) {
  const selection = getSelection();
  if (!selection.rangeCount || !line.contains(selection.focusNode)) return null;
  const measured = document.createRange();
  measured.selectNodeContents(line);
  measured.setEnd(selection.focusNode, selection.focusOffset);
  return measured.toString().length;
}

export function putCaret(line, offset) {
  line.focus({ preventScroll: true });
  const node = line.firstChild ?? line;
  getSelection().collapse(node, Math.min(offset, node.length ?? 0));
}

export const isSelecting = () => !(getSelection()?.isCollapsed ?? true);

// The number of the character at a point of the window, and the place between two nearest to it; null
// outside of texts.
export function characterAt(x, y) {
  let node, offset;
  if (document.caretPositionFromPoint) {
    const place = document.caretPositionFromPoint(x, y);
    [node, offset] = [place?.offsetNode, place?.offset];
  } else {
    const range = document.caretRangeFromPoint?.(x, y);
    [node, offset] = [range?.startContainer, range?.startOffset];
  }
  if (node?.nodeType !== Node.TEXT_NODE) return null;
  const covers = (at) => {
    if (at < 0 || at >= node.length) return false;
    const range = document.createRange();
    range.setStart(node, at);
    range.setEnd(node, at + 1);
    return [...range.getClientRects()].some((box) => x >= box.left && x <= box.right && y >= box.top && y <= box.bottom);
  };
  const at = covers(offset) ? offset : Math.max(0, offset - 1);
  return { node, at, between: offset };
}

// Whether the caret is in the first line of a text that wraps, or in the last one.
export function isAtEdge(line, isFirst) {
  const selection = getSelection();
  if (!selection.rangeCount) return true;
  const boxes = selection.getRangeAt(0).getClientRects();
  const caret = boxes.length ? boxes[0] : null;
  if (!caret) return true;
  const whole = document.createRange();
  whole.selectNodeContents(line);
  const lines = [...whole.getClientRects()];
  if (!lines.length) return true;
  const edge = isFirst ? Math.min(...lines.map((one) => one.top)) : Math.max(...lines.map((one) => one.bottom));
  return isFirst ? caret.top < edge + caret.height / 2 : caret.bottom > edge - caret.height / 2;
}
