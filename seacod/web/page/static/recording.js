// The microphone: why there is none, and a recording of it as a file.
const TYPES = ["audio/webm;codecs=opus", "audio/mp4", "audio/ogg;codecs=opus"];

// A text's key; the page says it.
export class NoMicrophone extends Error {
  constructor(key) {
    super(key);
    this.key = key;
  }
}

export async function microphone() {
  if (!window.isSecureContext) throw new NoMicrophone("mic_insecure");
  if (!navigator.mediaDevices?.getUserMedia) throw new NoMicrophone("mic_unsupported");
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: true, noiseSuppression: true },
    });
  } catch (error) {
    if (["NotAllowedError", "SecurityError"].includes(error.name)) throw new NoMicrophone("mic_denied");
    if (["NotFoundError", "OverconstrainedError"].includes(error.name)) throw new NoMicrophone("mic_missing");
    throw new NoMicrophone("mic_busy");
  }
}

export const release = (stream) => stream.getTracks().forEach((track) => track.stop());

// Records until stop(), which resolves with the file.
export class Recording {
  static async begin() {
    return new Recording(await microphone());
  }

  constructor(stream) {
    this.stream = stream;
    this.began = Date.now();
    const type = TYPES.find((one) => MediaRecorder.isTypeSupported(one));
    this.recorder = new MediaRecorder(stream, type ? { mimeType: type } : {});
    this.parts = [];
    this.recorder.ondataavailable = (event) => this.parts.push(event.data);
    this.recorder.start(1000);
  }

  get seconds() {
    return (Date.now() - this.began) / 1000;
  }

  stop() {
    return new Promise((resolve) => {
      this.recorder.onstop = () => {
        release(this.stream);
        const type = this.recorder.mimeType.split(";")[0];
        const ending = { "audio/mp4": "m4a", "audio/ogg": "ogg" }[type] ?? "webm";
        const stamp = localStamp(new Date());
        resolve(new File(this.parts, `recording-${stamp}.${ending}`, { type }));
      };
      this.recorder.stop();
    });
  }
}

// For a name: in the time of whoever reads it, without signs that file systems refuse.
export function localStamp(when) {
  const parts = [when.getFullYear(), when.getMonth() + 1, when.getDate(), when.getHours(), when.getMinutes(),
    when.getSeconds()];
  return parts.map((part) => String(part).padStart(2, "0")).join("-");
}
