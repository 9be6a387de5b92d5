"""Run by test_no_network.py in an empty network namespace, under strace: a service from its start
to its end, with a recording, a microphone and a batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import httpx
import sounds
from patience import connect
from supervised import PATIENCE_SECONDS, Service

from seacod.asr import audio


def main() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    service = Service(Path(sys.argv[1]))
    service.configure(server={"page": "on"})
    service.environment["HOME"] = sys.argv[2]
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        os.environ.pop(name, None)
    service.start()
    try:
        client = httpx.Client(base_url=service.url, timeout=PATIENCE_SECONDS, trust_env=False)
        sound = sounds.SPEECH.read_bytes()
        assert client.get("/").status_code == 200
        assert client.post("/transcribe", files={"file": sound}).json()["text"]
        _speak(service.url)
        job = client.post("/batch_transcribe", files=[("files", ("a.wav", sound))]).json()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while client.get(f"/jobs/{job['job']}").json()["state"] not in ("done", "finished"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        assert service.stop() == 0
    print("served")


def _speak(url: str) -> None:
    speech = (audio.decode(sounds.SPEECH, max_seconds=60) * 32767).astype("<i2").tobytes()
    with connect(f"ws{url.removeprefix('http')}/live") as socket:
        socket.send(json.dumps({"type": "start", "sample_rate": 16_000}))
        for at in range(0, len(speech), 32_000):
            socket.send(speech[at : at + 32_000])
        socket.send(json.dumps({"type": "stop"}))
        while json.loads(socket.recv(timeout=PATIENCE_SECONDS))["type"] != "done":
            pass


if __name__ == "__main__":
    main()
