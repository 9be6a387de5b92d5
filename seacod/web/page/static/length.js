// How long a chosen recording is: found in the browser, before and without any upload.
const METADATA_MS = 8000;
// A seek far beyond the end: recordings from a microphone do not say how long they are.
const BEYOND_SECONDS = 1e7;

// Seconds, or null where the browser does not know the format.
export function lengthOf(file) {
  return new Promise((resolve) => {
    const media = new Audio();
    const url = URL.createObjectURL(file);
    const finish = (seconds) => {
      clearTimeout(timer);
      media.removeAttribute("src");
      URL.revokeObjectURL(url);
      resolve(Number.isFinite(seconds) ? seconds : null);
    };
    const timer = setTimeout(() => finish(null), METADATA_MS);
    media.preload = "metadata";
    media.onerror = () => finish(null);
    media.onloadedmetadata = () => {
      if (Number.isFinite(media.duration)) return finish(media.duration);
      media.ondurationchange = () => Number.isFinite(media.duration) && finish(media.duration);
      media.currentTime = BEYOND_SECONDS;
    };
    media.src = url;
  });
}
