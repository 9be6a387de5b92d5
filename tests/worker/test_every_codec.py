"""Every ending that is accepted, and every codec that can be written here, in the real cage: what
was said comes out, at its length, and a whole file gets no warning; one that was cut does.

What nobody can write here (APE, DTS, WMA Pro, AMR-WB, Speex ...) gets the same single thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import containers
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import sounds

from seacod.asr import audio
from seacod.asr.decoder.pool import Decoders
from seacod.asr.decoder.wire import DecodeTask
from seacod.asr.sound.container import opened
from seacod.errors import SeacodError
from seacod.system.files import recordings

RATE = audio.SAMPLE_RATE
TASK = DecodeTask("samples", 300.0, 1 << 30, 20.0, channels="mix")
_SOUNDFILE = "soundfile "

# ending, container and codec (of ffmpeg, or of soundfile), samples a second in the file
WRITTEN = [
    *((".wav", "wav", f"pcm_{kind}", RATE)
      for kind in ("u8", "s16le", "s24le", "s32le", "f32le", "f64le")),
    *((".wav", "wav", codec, 8_000)
      for codec in ("pcm_alaw", "pcm_mulaw", "adpcm_ima_wav", "adpcm_ms", "adpcm_yamaha", "g726")),
    (".wav", "wav", "g722", RATE), (".wav", "wav", "libmp3lame", RATE),
    (".wav", "wav", "mp2", RATE), (".wav", "wav", "wmav2", 44_100), (".wav", "wav", "ac3", 48_000),
    (".wav", "soundfile WAV", "IMA_ADPCM", RATE), (".wav", "soundfile WAV", "MS_ADPCM", RATE),
    (".wav", "soundfile WAV", "GSM610", RATE),
    (".flac", "flac", "flac", RATE), (".wv", "wv", "wavpack", RATE), (".tta", "tta", "tta", RATE),
    (".mp3", "mp3", "libmp3lame", RATE), (".mp2", "mp2", "mp2", RATE),
    (".aac", "adts", "aac", 44_100), (".m4a", "ipod", "aac", 44_100),
    (".m4a", "ipod", "alac", 44_100), (".m4b", "ipod", "aac", 44_100),
    (".mp4", "mp4", "aac", 44_100), (".mp4", "mp4", "libopus", 48_000),
    (".mp4", "mp4", "pcm_s16le", RATE),
    (".mov", "mov", "aac", 44_100), (".mov", "mov", "alac", 44_100),
    (".mov", "mov", "pcm_s16be", RATE), (".mov", "mov", "pcm_alaw", 8_000),
    (".mov", "mov", "adpcm_ima_qt", 44_100),
    (".3gp", "3gp", "aac", 44_100), (".3gp", "3gp", "libopencore_amrnb", 8_000),
    (".amr", "amr", "libopencore_amrnb", 8_000),
    (".ac3", "ac3", "ac3", 48_000), (".eac3", "eac3", "eac3", 48_000),
    (".opus", "ogg", "libopus", 48_000), (".oga", "ogg", "libopus", 48_000),
    (".ogg", "soundfile OGG", "VORBIS", RATE),
    (".webm", "webm", "libopus", 48_000), (".mka", "matroska", "libopus", 48_000),
    (".mka", "matroska", "wavpack", RATE),
    (".mkv", "matroska", "aac", 44_100), (".mkv", "matroska", "pcm_s16le", RATE),
    (".wma", "asf", "wmav1", 44_100), (".wma", "asf", "wmav2", 44_100),
    (".wmv", "asf", "wmav2", 44_100),
    (".aiff", "aiff", "pcm_s16be", RATE), (".aiff", "aiff", "pcm_s24be", RATE),
    (".aif", "aiff", "pcm_f32be", RATE), (".aif", "aiff", "adpcm_ima_qt", 44_100),
    (".au", "au", "pcm_s16be", RATE), (".au", "au", "pcm_mulaw", 8_000),
    (".au", "soundfile AU", "G721_32", RATE), (".au", "au", "g722", RATE),
    (".caf", "caf", "pcm_s16le", RATE), (".caf", "caf", "pcm_mulaw", 8_000),
    (".caf", "caf", "alac", 44_100), (".caf", "caf", "adpcm_ima_qt", 44_100),
    (".ts", "mpegts", "aac", 44_100), (".ts", "mpegts", "ac3", 48_000),
    (".ts", "mpegts", "eac3", 48_000), (".ts", "mpegts", "mp2", 48_000),
    (".mpg", "mpeg", "mp2", 48_000), (".mpeg", "mpeg", "ac3", 48_000),
    (".mpg", "mpeg", "pcm_s16be", 48_000),
    (".flv", "flv", "aac", 44_100), (".flv", "flv", "libmp3lame", 44_100),
    (".flv", "flv", "adpcm_swf", 44_100), (".flv", "flv", "nellymoser", 8_000),
    (".flv", "flv", "pcm_mulaw", 8_000),
    (".avi", "avi", "libmp3lame", RATE), (".avi", "avi", "aac", 44_100),
    (".avi", "avi", "ac3", 48_000), (".avi", "avi", "pcm_s16le", RATE),
    (".avi", "avi", "adpcm_ima_wav", 8_000), (".avi", "avi", "adpcm_ms", 8_000),
    (".rm", "rm", "ac3", 44_100),
]  # fmt: skip
NAMES = [f"{container} {codec}{ending}" for ending, container, codec, _ in WRITTEN]
# Without an index or a length that is true, nobody can tell how much there was.
UNTELLING = {
    "adts aac.aac", "mp2 mp2.mp2", "ac3 ac3.ac3", "eac3 eac3.eac3", "mpeg pcm_s16be.mpg",
    "wav adpcm_yamaha.wav",
}  # fmt: skip
# A codec for speech keeps what is heard, and not the wave.
LIKE = {"libopencore_amrnb": 0.7}


@dataclass
class Heard:
    """What the caged decoder made of a file."""

    samples: npt.NDArray[np.float32]
    codec: str = ""
    warnings: tuple[str, ...] = ()
    refused: str = ""


def speech() -> npt.NDArray[np.float32]:
    """A sentence twice, with nothing at all before, between and after: packets of zeros in what
    writes samples."""
    said, _ = soundfile.read(sounds.SPEECH, dtype="float32")
    pause = np.zeros(RATE, np.float32)
    return np.concatenate([pause, said, pause, pause, said, pause])


def write(path: Path, container: str, codec: str, rate: int) -> None:
    if container.startswith(_SOUNDFILE):
        kind = container.removeprefix(_SOUNDFILE)
        soundfile.write(path, speech(), rate, format=kind, subtype=codec)
    else:
        sounds.encode(
            path, 0, container=container, codec=codec, rate=rate, samples=speech()
        )  # fmt: skip


def heard(paths: Iterable[Path]) -> dict[str, Heard]:
    """Each of them through one caged decoder."""

    async def one(decoders: Decoders, path: Path) -> Heard:
        found: list[npt.NDArray[np.float32]] = []
        told: dict[str, Any] = {}
        try:
            async for frame in decoders.run(path, TASK):
                told |= frame.body
                if frame.samples is not None:
                    found.append(frame.samples.copy())
        except SeacodError as error:
            return Heard(np.zeros(0, np.float32), refused=error.message)
        codes = tuple(warning["code"] for warning in told["warnings"])
        return Heard(np.concatenate(found), told["codec"], codes)

    async def run() -> dict[str, Heard]:
        decoders = Decoders(1, 1)
        await decoders.start()
        try:
            return {path.name: await one(decoders, path) for path in paths}
        finally:
            await decoders.close()

    return asyncio.run(run())


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Heard]:
    directory = tmp_path_factory.mktemp("whole")
    for name, (_, container, codec, rate) in zip(NAMES, WRITTEN, strict=True):
        write(directory / name, container, codec, rate)
    return heard(sorted(directory.iterdir()))


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Heard]:
    directory = tmp_path_factory.mktemp("cut")
    for name, (_, container, codec, rate) in zip(NAMES, WRITTEN, strict=True):
        write(directory / name, container, codec, rate)
        containers.cut(directory / name, 0.6)
    return heard(sorted(directory.iterdir()))


def likeness(found: npt.NDArray[np.float32]) -> tuple[float, float]:
    """How alike it is to what was said (1 the same), and how many seconds later."""
    said = speech()
    size = 1 << (len(said) + len(found)).bit_length()
    products = np.fft.irfft(np.fft.rfft(found, size) * np.conj(np.fft.rfft(said, size)), size)
    late = int(products.argmax())
    norm = np.sqrt(float((said**2).sum()) * float((found**2).sum()))
    return float(products.max()) / norm, (late - size if late > size // 2 else late) / RATE


@pytest.mark.parametrize("name", NAMES)
def test_what_was_said_comes_out_of_the_cage_without_a_warning(
    whole: dict[str, Heard], name: str
) -> None:
    one = whole[name]
    assert not one.refused
    alike, late_seconds = likeness(one.samples)
    codec = name.rsplit(maxsplit=1)[-1].split(".", maxsplit=1)[0]
    assert alike > LIKE.get(codec, 0.9), one.codec
    assert late_seconds == pytest.approx(0, abs=0.1)
    assert len(one.samples) / RATE == pytest.approx(len(speech()) / RATE, abs=0.3)
    assert one.warnings == ()


@pytest.mark.parametrize("name", [name for name in NAMES if name not in UNTELLING])
def test_of_half_a_file_it_is_said_that_it_was_cut(cut: dict[str, Heard], name: str) -> None:
    one = cut[name]
    # A broadcast breaks off anywhere; the frame that did is named as damaged.
    telling = {"cut_off", "damaged"} if name.startswith("mpeg ") else {"cut_off"}
    assert one.refused or telling & set(one.warnings), one.warnings


def test_every_ending_that_is_accepted_was_tried() -> None:
    # Nothing here writes Monkey's Audio.
    assert recordings._ENDINGS - {ending for ending, *_ in WRITTEN} == {".ape"}


def test_no_track_of_a_file_is_decoded_on_threads_of_its_own(tmp_path: Path) -> None:
    """A caged process has none to give, whatever the codec is."""
    tracks = [containers.Track(sounds.tone(1.0), codec) for codec in ("wavpack", "alac")]
    containers.written(tmp_path / "a", "matroska", tracks)
    with opened(tmp_path / "a") as (container, _):
        contexts = [stream.codec_context for stream in container.streams.audio]
        kinds = {(one.thread_count, one.thread_type) for one in contexts}
    assert len(contexts) == 2
    assert kinds == {(1, av.codec.context.ThreadType.NONE)}
