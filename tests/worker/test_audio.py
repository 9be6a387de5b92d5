"""What may be uploaded: every format is heard, everything else is a clear refusal."""

from __future__ import annotations

import ctypes
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sounds

from seacod.asr import audio
from seacod.errors import BadAudio, EmptyAudio, SeacodError, TooBig, TooLong

LIMIT_SECONDS = 300.0
LIMIT_BYTES = 200 * 1024 * 1024


def hear(path: Path, max_seconds: float = LIMIT_SECONDS) -> audio.Samples:
    """What the service does with an upload."""
    audio.inspect(path, max_seconds=max_seconds, max_bytes=LIMIT_BYTES)
    return audio.decode(path, max_seconds=max_seconds)


@pytest.fixture
def upload(tmp_path: Path) -> Callable[[bytes], Path]:
    def store(content: bytes) -> Path:
        path = tmp_path / "upload-without-a-telling-name"
        path.write_bytes(content)
        return path

    return store


@pytest.mark.parametrize("name", sounds.FORMATS)
def test_every_common_format_is_decoded_to_16_khz_mono(tmp_path: Path, name: str) -> None:
    container, codec, rate, layout = sounds.FORMATS[name]
    if codec == "libopencore_amrnb" and codec not in av_codecs():
        pytest.skip("this build of ffmpeg cannot write AMR, so there is nothing to read")
    # The name says nothing: it is what people upload under any name.
    path = tmp_path / "upload"
    sounds.encode(path, 2.0, container=container, codec=codec, rate=rate, layout=layout)
    info = audio.inspect(path, max_seconds=LIMIT_SECONDS, max_bytes=LIMIT_BYTES)
    samples = audio.decode(path, max_seconds=LIMIT_SECONDS)
    assert samples.dtype == np.float32
    assert samples.ndim == 1
    assert len(samples) == pytest.approx(2.0 * 16_000, rel=0.08)
    assert float(np.abs(samples).max()) > 0.1
    if info.duration_seconds is not None:
        assert info.duration_seconds == pytest.approx(2.0, abs=0.2)


def av_codecs() -> set[str]:
    import av

    return set(av.codecs_available)


def test_an_empty_file_is_refused_as_empty(upload: Callable[[bytes], Path]) -> None:
    with pytest.raises(EmptyAudio, match="empty"):
        hear(upload(b""))


def test_a_recording_without_samples_is_refused_as_empty(upload: Callable[[bytes], Path]) -> None:
    with pytest.raises(EmptyAudio):
        hear(upload(sounds.wav(b"")))


def test_a_recording_of_one_sample_never_reaches_the_model(
    upload: Callable[[bytes], Path],
) -> None:
    # FunASR ends the process on an array of one sample (1.4.16).
    with pytest.raises(EmptyAudio):
        hear(upload(sounds.wav(b"\0\1")))


@pytest.mark.parametrize(
    "content",
    [
        b"these are not the sounds you are looking for\n" * 50,
        b"RIFF\xff\xff\xff\xffWAVEfmt ",
        b"\x00" * 4096,
        b"%PDF-1.7\n" + os.urandom(2000),
        b"PK\x03\x04" + os.urandom(2000),
        b"<html><body>login</body></html>",
    ],
    ids=["text", "header-only", "zeros", "pdf", "zip", "html"],
)
def test_what_is_not_audio_is_refused_with_a_sentence(
    upload: Callable[[bytes], Path], content: bytes
) -> None:
    with pytest.raises((BadAudio, EmptyAudio)) as refusal:
        hear(upload(content))
    assert 400 <= refusal.value.http_status < 500
    assert refusal.value.chinese != refusal.value.message


def test_a_video_without_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadAudio, match="no sound track"):
        hear(sounds.video_without_sound(tmp_path / "film.mp4"))


def test_too_long_is_refused_before_decoding(upload: Callable[[bytes], Path]) -> None:
    path = upload(sounds.silence(301))
    with pytest.raises(TooLong, match="limit of 300 s") as refusal:
        audio.inspect(path, max_seconds=300, max_bytes=LIMIT_BYTES)
    assert "301 s" in refusal.value.message
    assert "300" in refusal.value.chinese


def test_exactly_the_limit_is_let_through(upload: Callable[[bytes], Path]) -> None:
    assert len(hear(upload(sounds.silence(300)))) == 300 * 16_000


def test_too_big_is_refused_by_size_alone(upload: Callable[[bytes], Path]) -> None:
    with pytest.raises(TooBig, match="limit of 1 MiB"):
        audio.inspect(upload(b"x" * (1024 * 1024 + 1)), max_seconds=300, max_bytes=1024 * 1024)


def test_a_header_that_claims_what_its_bytes_cannot_hold_refuses_nobody(tmp_path: Path) -> None:
    path = tmp_path / "boast.flac"
    sounds.encode(path, 1.0, container="flac", codec="flac")
    content = bytearray(path.read_bytes())
    # STREAMINFO: the low 32 of the 36 bits that count the samples.
    content[22:26] = struct.pack(">I", 36_000 * 16_000)
    path.write_bytes(content)
    assert len(hear(path)) == 16_000


def test_ten_hours_that_could_be_true_are_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "long.flac"
    sounds.encode(path, 20.0, container="flac", codec="flac")
    content = bytearray(path.read_bytes())
    content[22:26] = struct.pack(">I", 3_600 * 16_000)
    path.write_bytes(content)
    with pytest.raises(TooLong, match="3600 s"):
        audio.inspect(path, max_seconds=300, max_bytes=LIMIT_BYTES)


def test_a_recorder_that_could_not_go_back_to_its_header_is_heard(
    upload: Callable[[bytes], Path],
) -> None:
    """`arecord` and `ffmpeg -f wav -` write the greatest size there is into a pipe."""
    content = sounds.wav(sounds.tone(2.0).astype("<f4").tobytes(), kind=3, bits=32,
                         claimed_bytes=0xFFFFFFFF)  # fmt: skip
    assert len(hear(upload(content))) == pytest.approx(2.0 * 16_000, rel=0.05)


def test_a_recording_of_a_browser_has_no_length_and_is_bounded_while_decoding(
    tmp_path: Path,
) -> None:
    path = sounds.encode(
        tmp_path / "live", 8.0, container="webm", codec="libopus", rate=48_000,
        options={"live": "1"},
    )  # fmt: skip
    info = audio.inspect(path, max_seconds=5, max_bytes=LIMIT_BYTES)
    assert info.duration_seconds is None
    with pytest.raises(TooLong, match="limit of 5 s"):
        audio.decode(path, max_seconds=5)
    assert len(audio.decode(path, max_seconds=10)) == pytest.approx(8.0 * 16_000, rel=0.05)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg"])
def test_a_truncated_recording_gives_what_there_is(tmp_path: Path, name: str) -> None:
    container, codec, rate, layout = sounds.FORMATS[name]
    whole = sounds.encode(
        tmp_path / name, 12.0, container=container, codec=codec, rate=rate, layout=layout
    )
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2])
    # Ogg keeps a second or more in one page, and the page that was cut is gone.
    assert 4.0 * 16_000 < len(hear(whole)) < 8.0 * 16_000


def test_a_truncated_m4a_has_lost_its_index_and_is_refused(tmp_path: Path) -> None:
    container, codec, rate, layout = sounds.FORMATS["a.m4a"]
    path = sounds.encode(
        tmp_path / "a.m4a", 4.0, container=container, codec=codec, rate=rate, layout=layout
    )
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadAudio):
        hear(path)


@pytest.mark.parametrize("name", ["a.flac", "a.mp3", "a.ogg", "a.m4a", "a.webm"])
def test_damage_in_the_middle_does_not_lose_what_follows(tmp_path: Path, name: str) -> None:
    container, codec, rate, layout = sounds.FORMATS[name]
    path = sounds.encode(
        tmp_path / name, 30.0, container=container, codec=codec, rate=rate, layout=layout
    )
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 2000] = random.Random(1).randbytes(2000)
    path.write_bytes(content)
    # Matroska finds its way again at the next cluster, at most 5 s on.
    assert len(hear(path)) > 24.0 * 16_000


def test_nan_and_infinity_never_reach_the_model(upload: Callable[[bytes], Path]) -> None:
    samples = sounds.tone(2.0)
    samples[100:200] = np.nan
    samples[300:400] = np.inf
    samples[500:600] = 3e38
    content = sounds.wav(samples.astype("<f4").tobytes(), kind=3, bits=32)
    heard = hear(upload(content))
    assert np.isfinite(heard).all()
    assert float(np.abs(heard).max()) <= 1.0


def test_one_bit_of_noise_is_audio_too(upload: Callable[[bytes], Path]) -> None:
    noise = np.random.default_rng(0).integers(0, 2, 32_000).astype("<i2")
    assert len(hear(upload(sounds.wav(noise.tobytes())))) == 32_000


class Opened:
    """Tells whether anybody opens a file, by inotify(7): ffmpeg's C code has no hook."""

    IN_OPEN = 0x20

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self._fd, os.fsencode(path), self.IN_OPEN) > 0

    def happened(self) -> bool:
        try:
            return bool(os.read(self._fd, 4096))
        except BlockingIOError:
            return False
        finally:
            os.close(self._fd)


@pytest.mark.parametrize(
    "playlist",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{path}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nfile://{path}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{path}'\n",
        "ffconcat version 1.0\nfile 'secret.wav'\n",
    ],
    ids=["hls", "hls-url", "concat", "concat-relative"],
)
def test_an_upload_cannot_make_the_decoder_open_other_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, playlist: str
) -> None:
    secret = tmp_path / "secret.wav"
    secret.write_bytes(sounds.silence(5))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "upload"
    path.write_text(playlist.format(path=secret))
    watch = Opened(secret)
    with pytest.raises(BadAudio):
        hear(path)
    assert not watch.happened()


def test_an_absurd_sample_rate_costs_nothing(upload: Callable[[bytes], Path]) -> None:
    """Found by the mutations below: setting up to resample from 1.3 GHz took 15 s and 1.3 GB."""
    content = sounds.wav(b"\0\1" * 8_000, rate=1_325_416_064 // 2)
    with pytest.raises(BadAudio, match="samples a second"):
        hear(upload(content))


def test_mutated_files_are_heard_or_refused_and_nothing_else(tmp_path: Path) -> None:
    """Three hundred files with random damage, from a fixed seed."""
    originals = []
    for name in ("a.wav", "a.flac", "a.mp3", "a.ogg", "a.m4a", "a.webm"):
        container, codec, rate, layout = sounds.FORMATS[name]
        path = sounds.encode(
            tmp_path / name, 1.0, container=container, codec=codec, rate=rate, layout=layout
        )
        originals.append(path.read_bytes())
    chance = random.Random(20_26)
    target = tmp_path / "mutant"
    heard = refused = 0
    for round_ in range(300):
        content = bytearray(originals[round_ % len(originals)])
        for _ in range(chance.choice((1, 4, 32, 256))):
            # Headers are where the decisions are taken: half of the damage goes there.
            reach = min(len(content), 256) if chance.random() < 0.5 else len(content)
            content[chance.randrange(reach)] = chance.randrange(256)
        target.write_bytes(content[: chance.randrange(1, len(content) + 1)])
        try:
            samples = hear(target)
        except SeacodError as error:
            assert 400 <= error.http_status < 500, error.message
            refused += 1
        else:
            assert np.isfinite(samples).all()
            heard += 1
    assert heard > 30
    assert refused > 30
