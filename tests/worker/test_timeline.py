"""A recording keeps its time: late tracks, gaps, overlaps, joined files, damage. What is missing is
said, and what is only guessed refuses nobody."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import av
import containers
import numpy as np
import pytest
import sounds
from containers import Track

from seacod.asr import audio
from seacod.asr.audio import SAMPLE_RATE, Decoding
from seacod.errors import BadAudio, EmptyAudio, TooLong

RATE = SAMPLE_RATE


def heard(path: Path, max_seconds: float = 600.0, **more: object) -> tuple[np.ndarray, Decoding]:
    """The sound of a recording as the service hears it, and what was found."""
    audio.inspect(path, max_seconds=max_seconds, max_bytes=1 << 30)
    decoding = Decoding(path, max_seconds=max_seconds, **more)  # type: ignore[arg-type]
    stretches = list(decoding.stretches())
    return np.concatenate([one.samples for one in stretches]), decoding


def codes(decoding: Decoding) -> set[str]:
    return {warning.code for warning in decoding.findings.warnings()}


def bursts(*at: float, seconds: float) -> np.ndarray:
    """A quiet noise with a second of loud tone at each of these times."""
    sound = np.random.default_rng(3).normal(0, 1e-3, round(seconds * RATE)).astype(np.float32)
    tone = sounds.tone(1.0)
    for start in at:
        sound[round(start * RATE) : round(start * RATE) + RATE] += tone
    return sound


def begins(sound: np.ndarray) -> list[float]:
    """When each loud second begins."""
    hops = sound[: len(sound) // 160 * 160].reshape(-1, 160)
    is_loud = np.sqrt((hops**2).mean(axis=1)) > 0.05
    edges = np.flatnonzero(np.diff(is_loud.astype(int)) == 1) + 1
    first = [0] if is_loud[0] else []
    starts: list[float] = []
    for edge in [*first, *edges.tolist()]:
        if not starts or edge / 100 - starts[-1] > 0.5:
            starts.append(edge / 100)
    return starts


def written(
    path: Path, sound: np.ndarray, container: str, codec: str, *, rate: int = RATE,
    shift: Callable[[float], float | None] = containers.as_it_is, picture_seconds: float = 0.0,
) -> Path:  # fmt: skip
    """A file with one track whose packets have the time stamps that `shift` gives."""
    track = Track(sound, codec, rate, shift)
    return containers.written(path, container, [track], picture_seconds=picture_seconds)


STAMPED = [("mp4", "aac", RATE), ("matroska", "aac", RATE), ("webm", "libopus", 48_000),
           ("ogg", "libopus", 48_000), ("mpegts", "aac", RATE), ("matroska", "pcm_s16le", RATE),
           ("matroska", "libmp3lame", RATE), ("flv", "aac", 44_100),
           ("asf", "wmav2", 44_100)]  # fmt: skip


@pytest.mark.parametrize(("container", "codec", "rate"), STAMPED)
def test_a_gap_between_packets_is_silence_and_is_told(
    tmp_path: Path, container: str, codec: str, rate: int
) -> None:
    path = written(
        tmp_path / "a", bursts(1, 8, seconds=10), container, codec, rate=rate,
        shift=lambda at: None if 3 <= at < 7 else at,
    )  # fmt: skip
    sound, decoding = heard(path)
    assert begins(sound) == pytest.approx([1, 8], abs=0.15)
    assert len(sound) / RATE == pytest.approx(10, abs=0.2)
    (gap,) = [w for w in decoding.findings.warnings() if w.code == "missing"]
    assert gap.start_seconds == pytest.approx(3, abs=0.3)
    assert gap.end_seconds == pytest.approx(7, abs=0.3)
    assert decoding.findings.missing_seconds == pytest.approx(4, abs=0.3)


@pytest.mark.parametrize(("container", "codec"), [("mp4", "aac"), ("matroska", "aac"),
                                                  ("mpegts", "aac")])  # fmt: skip
def test_sound_that_begins_later_than_the_picture_keeps_its_place(
    tmp_path: Path, container: str, codec: str
) -> None:
    path = written(
        tmp_path / "a", bursts(0.5, seconds=3), container, codec, picture_seconds=9,
        shift=lambda at: at + 5,
    )  # fmt: skip
    sound, decoding = heard(path)
    assert begins(sound) == pytest.approx([5.5], abs=0.15)
    assert not codes(decoding)


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_a_track_that_begins_late_keeps_its_place_without_a_picture(
    tmp_path: Path, container: str
) -> None:
    path = written(
        tmp_path / "a", bursts(0.5, seconds=3), container, "aac", shift=lambda at: at + 5
    )
    sound, _ = heard(path)
    assert begins(sound) == pytest.approx([5.5], abs=0.15)


@pytest.mark.parametrize("first", [1.4, 12_345.0, 95_000.0])
def test_time_stamps_of_a_broadcast_begin_anywhere(tmp_path: Path, first: float) -> None:
    path = written(
        tmp_path / "a", bursts(0.5, seconds=3), "mpegts", "aac", shift=lambda at: at + first
    )
    sound, decoding = heard(path)
    assert begins(sound) == pytest.approx([0.5], abs=0.15)
    assert not codes(decoding)


def test_time_stamps_that_begin_an_hour_late_are_not_an_hour_of_silence(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a", bursts(0.5, seconds=3), "matroska", "aac", shift=lambda at: at + 3600
    )
    sound, decoding = heard(path)
    assert begins(sound) == pytest.approx([0.5], abs=0.15)
    assert codes(decoding) == {"late_start"}


def test_a_leap_beyond_the_limit_refuses_nobody(tmp_path: Path) -> None:
    path = written(
        tmp_path / "a", bursts(1, 8, seconds=10), "matroska", "aac",
        shift=lambda at: at if at < 5 else at + 40_000,
    )  # fmt: skip
    content = path.read_bytes()
    # A length that the file could not hold, so that it is not refused for that.
    sound, decoding = heard(path, max_seconds=100)
    assert begins(sound) == pytest.approx([1, 8], abs=0.15)
    assert "joined" in codes(decoding)
    assert len(content) < 1 << 20


@pytest.mark.parametrize("codec", ["aac", "libopus"])
def test_a_short_gap_is_told_where_the_codec_leaves_out_nothing(tmp_path: Path, codec: str) -> None:
    """Opus leaves out silence; what AAC has no packet for was lost."""
    sound = bursts(1, 3, seconds=5)
    path = written(
        tmp_path / "a", sound, "mpegts" if codec == "aac" else "webm", codec, rate=48_000,
        shift=lambda at: None if 2.2 < at < 2.55 else at,
    )  # fmt: skip
    samples, decoding = heard(path)
    assert begins(samples) == pytest.approx([1, 3], abs=0.15)
    assert codes(decoding) == ({"missing"} if codec == "aac" else set())


def test_overlapping_packets_are_cut(tmp_path: Path) -> None:
    def early(at: float) -> float:
        """A second and a half within a few milliseconds; muxers want times that grow."""
        return at if at < 5 else 5 + (at - 5) / 100 if at < 6.52 else at - 1.5

    path = written(tmp_path / "a", bursts(1, 8, seconds=10), "matroska", "aac", shift=early)
    sound, decoding = heard(path)
    assert begins(sound) == pytest.approx([1, 6.5], abs=0.15)
    assert codes(decoding) == {"overlapping"}
    assert len(sound) / RATE == pytest.approx(8.5, abs=0.2)


def test_joined_ogg_files_follow_each_other(tmp_path: Path) -> None:
    parts = []
    for number, start in enumerate((0.5, 1.0)):
        one = tmp_path / str(number)
        sounds.encode(
            one, 0, container="ogg", codec="libopus", rate=48_000,
            samples=bursts(start, seconds=3),
        )  # fmt: skip
        parts.append(one.read_bytes())
    path = tmp_path / "both"
    path.write_bytes(b"".join(parts))
    sound, _ = heard(path)
    assert begins(sound) == pytest.approx([0.5, 4.0], abs=0.15)


DAMAGED = ["a.wav", "a.flac", "a.mp3", "a.ogg", "a.opus", "a.m4a", "a.webm", "a.aac", "a.wma",
           "a.aiff", "telephone.wav", "surround.wav", "a.caf", "a.mkv", "a.ts", "a.ac3", "a.mp2",
           "adpcm.wav", "a.avi"]  # fmt: skip
MORE = {
    "a.caf": ("caf", "pcm_s16le", RATE, "mono"),
    "a.mkv": ("matroska", "aac", RATE, "mono"),
    "a.ts": ("mpegts", "aac", 44_100, "mono"),
    "a.ac3": ("ac3", "ac3", 48_000, "mono"),
    "a.mp2": ("mp2", "mp2", 48_000, "mono"),
    "adpcm.wav": ("wav", "adpcm_ima_wav", RATE, "mono"),
    "a.avi": ("avi", "libmp3lame", 44_100, "mono"),
}


def encoded(path: Path, name: str, sound: np.ndarray) -> bytes:
    container, codec, rate, layout = {**sounds.FORMATS, **MORE}[name]
    options = {"movflags": "+faststart"} if container == "ipod" else None
    sounds.encode(
        path, 0, container=container, codec=codec, rate=rate, layout=layout, samples=sound,
        options=options,
    )  # fmt: skip
    return path.read_bytes()


@pytest.mark.parametrize("name", DAMAGED)
def test_what_lies_behind_zeroed_bytes_keeps_its_place(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a"
    content = bytearray(encoded(path, name, bursts(1, 13, seconds=15)))
    first, last = len(content) * 35 // 100, len(content) * 55 // 100
    content[first:last] = bytes(last - first)
    path.write_bytes(content)
    sound, decoding = heard(path)
    starts = begins(sound)
    damage = [
        w for w in decoding.findings.warnings()
        if w.code in ("damaged", "damaged_somewhere", "missing", "zeroed")
    ]  # fmt: skip
    assert damage, "nobody was told"
    assert starts[0] == pytest.approx(1, abs=0.15)
    assert decoding.findings.missing_seconds == pytest.approx(3, abs=3)
    if name != "a.avi":  # it has an order and no times; the warning says so
        assert starts[-1] == pytest.approx(13, abs=0.3)
        assert len(sound) / RATE == pytest.approx(15, abs=0.4)
    start, end = damage[0].start_seconds, damage[-1].end_seconds
    assert start is not None and end is not None and start < 7 < end


@pytest.mark.parametrize("name", DAMAGED)
def test_a_recording_that_was_cut_off_says_so(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a"
    content = encoded(path, name, bursts(1, 13, seconds=15))
    whole, decoding = heard(path)
    assert not codes(decoding)
    # Where the frames of the last two end, nobody can tell.
    path.write_bytes(content[: len(content) // 2 - 37])
    sound, decoding = heard(path)
    assert begins(sound) == pytest.approx([1], abs=0.15)
    assert len(sound) < 0.6 * len(whole)
    if name not in ("a.ac3", "a.mp2"):
        assert "cut_off" in codes(decoding)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.aac", "a.m4a", "a.opus"])
def test_damage_at_the_beginning_moves_nothing(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a"
    content = bytearray(encoded(path, name, bursts(1, 13, seconds=15)))
    # Behind the header, in the m4a behind the index.
    first = content.find(b"mdat") + 600 if name == "a.m4a" else 600
    last = len(content) * 3 // 10
    content[first:last] = bytes(last - first)
    path.write_bytes(content)
    sound, decoding = heard(path)
    assert begins(sound)[-1] == pytest.approx(13, abs=0.3)
    assert codes(decoding)


def test_an_m4a_that_lost_its_index_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    content = sounds.encode(path, 4.0, container="ipod", codec="aac").read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(BadAudio, match="cut off: its index"):
        heard(path)


def test_silence_that_a_program_made_is_no_damage(tmp_path: Path) -> None:
    sound = bursts(1, seconds=3)
    sound[: RATE // 2] *= np.linspace(0, 1, RATE // 2, dtype=np.float32)
    sound[-RATE // 2 :] *= np.linspace(1, 0, RATE // 2, dtype=np.float32)
    quiet = np.zeros(2 * RATE, np.float32)
    path = sounds.encode(tmp_path / "a", 0, samples=np.concatenate([sound, quiet, sound, quiet]))
    _, decoding = heard(path)
    assert not codes(decoding)


# -- limits ---------------------------------------------------------------------------------------


def test_a_length_guessed_from_a_bit_rate_refuses_nobody(tmp_path: Path) -> None:
    """Silence at the beginning takes few bytes; ffmpeg takes them for all of it."""
    sound = np.concatenate([np.zeros(2 * RATE, np.float32), sounds.tone(60.0)])
    path = sounds.encode(
        tmp_path / "a", 0, container="adts", codec="aac", rate=44_100, samples=sound
    )
    with av.open(str(path)) as container:
        assert container.duration / 1e6 > 120
    assert len(heard(path, max_seconds=65)[0]) / RATE == pytest.approx(62, abs=0.3)
    with pytest.raises(TooLong, match="limit of 30 s"):
        heard(path, max_seconds=30)


def test_an_mp3_of_varying_rate_without_a_header_refuses_nobody(tmp_path: Path) -> None:
    """Its first frames hold silence in few bytes; ffmpeg takes all of it for as small."""
    sound = np.concatenate([np.zeros(2 * RATE, np.float32), sounds.tone(30.0)])
    path = tmp_path / "a"
    with av.open(str(path), "w", format="mp3", options={"write_xing": "0"}) as out:
        stream = out.add_stream(
            "libmp3lame", rate=RATE, layout="mono", options={"compression": "0"}
        )
        stream.codec_context.flags |= av.codec.context.Flags.qscale
        stream.codec_context.global_quality = 0
        frame = av.AudioFrame.from_ndarray(sound.reshape(1, -1), format="fltp", layout="mono")
        frame.sample_rate = RATE
        resampler = av.AudioResampler("fltp", "mono", RATE, stream.codec_context.frame_size or 576)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            out.mux(stream.encode(part))
        out.mux(stream.encode(None))
    with av.open(str(path)) as container:
        assert container.duration / 1e6 > 60
    heard_sound, decoding = heard(path, max_seconds=40)
    assert len(heard_sound) / RATE == pytest.approx(32, abs=0.3)
    assert not codes(decoding)


def test_a_count_of_samples_that_is_unknown_is_no_length(tmp_path: Path) -> None:
    path = sounds.encode(tmp_path / "a", 2.0, container="flac", codec="flac")
    content = bytearray(path.read_bytes())
    content[21] |= 0x0F
    content[22:26] = b"\xff" * 4
    path.write_bytes(content)
    sound, decoding = heard(path, max_seconds=10)
    assert len(sound) == 2 * RATE
    assert not codes(decoding)


@pytest.mark.parametrize("claimed", [0, 0xFFFFFFFF, 0x7FFFF000])
def test_a_recorder_that_did_not_know_its_length_lost_nothing(tmp_path: Path, claimed: int) -> None:
    path = tmp_path / "a"
    samples = (sounds.tone(2.0) * 20_000).astype("<i2").tobytes()
    path.write_bytes(sounds.wav(samples, claimed_bytes=claimed))
    sound, decoding = heard(path)
    assert len(sound) == pytest.approx(2 * RATE, abs=2)
    assert not codes(decoding)


def test_a_wav_that_was_cut_names_both_lengths(tmp_path: Path) -> None:
    path = tmp_path / "a"
    samples = (sounds.tone(2.0) * 20_000).astype("<i2").tobytes()
    path.write_bytes(sounds.wav(samples, claimed_bytes=5 * len(samples)))
    _, decoding = heard(path)
    (warning,) = decoding.findings.warnings()
    assert "the header says 10.0 s, 2.0 s were there" in warning.message
    assert decoding.findings.missing_seconds == pytest.approx(8, abs=0.1)


def test_too_short_is_not_rounded_to_enough(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(sounds.wav(b"\0\1" * 1599))
    with pytest.raises(EmptyAudio, match=r"0\.0999 s of sound; at least 0\.1 s"):
        audio.decode(path, max_seconds=10)


def test_a_webm_with_a_header_and_no_sound_is_empty(tmp_path: Path) -> None:
    path = sounds.encode(
        tmp_path / "a", 2.0, container="webm", codec="libopus", rate=48_000, options={"live": "1"}
    )
    content = path.read_bytes()
    cluster = content.index(b"\x1f\x43\xb6\x75")
    for length in (cluster, cluster + 12, cluster + 30):
        path.write_bytes(content[:length])
        with pytest.raises(EmptyAudio):
            audio.inspect(path, max_seconds=10, max_bytes=1 << 20)
            audio.decode(path, max_seconds=10)


@pytest.mark.parametrize(("scale", "bits"), [(32_768.0, 16), (2_147_483_648.0, 32)])
def test_floats_at_the_scale_of_integers_are_noticed(
    tmp_path: Path, scale: float, bits: int
) -> None:
    path = tmp_path / "a"
    path.write_bytes(
        sounds.wav((sounds.tone(2.0) * scale).astype("<f4").tobytes(), kind=3, bits=32)
    )
    sound, decoding = heard(path)
    assert 0.2 < float(np.abs(sound).max()) < 0.5
    assert codes(decoding) == {"scale"}
    assert f"{bits}-bit" in decoding.findings.warnings()[0].message


def test_findings_are_bounded(tmp_path: Path) -> None:
    """Two hundred gaps are twelve sentences and a count."""
    path = written(
        tmp_path / "a", sounds.tone(200.0), "matroska", "pcm_s16le", rate=8_000,
        shift=lambda at: at + 2 * int(at),
    )  # fmt: skip
    _, decoding = heard(path, max_seconds=2000)
    said = decoding.findings.warnings()
    assert len(said) == 13
    assert "and 186 more" in said[-1].message or "more stretches" in said[-1].message


@pytest.mark.parametrize("kind", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize("name", ["a.wav", "a.mp3"])
def test_a_tar_is_an_archive_whatever_ffmpeg_hears_in_it(
    tmp_path: Path, kind: int, name: str
) -> None:
    (tmp_path / name).write_bytes(encoded(tmp_path / "sound", name, sounds.tone(2.0)))
    path = tmp_path / "archive"
    with tarfile.open(path, "w", format=kind) as archive:
        archive.add(tmp_path / name, name)
    with pytest.raises(BadAudio, match=r"archive \(tar\).*batches take archives, as zip"):
        heard(path)
    # Before there was a standard, there was no mark but the checksum.
    content = bytearray(path.read_bytes())
    content[257:265] = bytes(8)
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    path.write_bytes(content)
    if kind == tarfile.USTAR_FORMAT:
        with pytest.raises(BadAudio, match=r"archive \(tar\)"):
            heard(path)


def test_more_channels_than_can_be_heard_apart_are_mixed_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a"
    samples = (bursts(1, seconds=3) * 20_000).astype("<i2")
    path.write_bytes(sounds.wav(np.repeat(samples, 10).tobytes(), channels=10))
    for mode in ("auto", "split"):
        sound, decoding = heard(path, channels=mode)
        assert begins(sound) == pytest.approx([1], abs=0.1)
        (warning,) = decoding.findings.warnings()
        assert warning.code == "channels_mixed"
        assert "10 channels" in warning.message
        assert "at most 8" in warning.message
    assert not codes(heard(path, channels="mix")[1])


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"PK\x03\x04" + bytes(500), "zip"), (b"PK\x05\x06" + bytes(18), "zip"),
     (b"\x1f\x8b\x08" + bytes(500), "tar.gz"), (b"7z\xbc\xaf\x27\x1c" + bytes(500), "7z")],
)  # fmt: skip
def test_an_archive_is_named_and_what_is_supported(
    tmp_path: Path, content: bytes, name: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(BadAudio, match=rf"archive \({name}\).*batches take archives, as zip"):
        heard(path)
