"""Forms on their way in: what is no file is bounded, and each refusal has its sentence."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_use import in_use
from starlette.requests import Request

from seacod.errors import BadRequest, SeacodError
from seacod.web.forms import Body, Form, around_bytes, read_form

TYPE = "multipart/form-data; boundary=x"
CHUNK = 64 * 1024


def read(
    directory: Path, body: bytes, content_type: str = TYPE, chunk: int = CHUNK, max_files: int = 3,
    more_fields: int = 0,
) -> Form:  # fmt: skip
    parts = [body[at : at + chunk] for at in range(0, len(body), chunk)] or [b""]

    async def receive() -> dict[str, Any]:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)

    def place(number: int) -> Path:
        return directory / f"{len(list(directory.iterdir()))}-{number}"

    limits = {"max_file_bytes": 1 << 20, "max_files": max_files, "more_fields": more_fields,
              "settings": in_use()}  # fmt: skip
    return asyncio.run(read_form(content_type, Body(request), place, **limits))


def part(disposition: str, content: bytes = b"1", *headers: str) -> bytes:
    lines = [f"Content-Disposition: form-data; {disposition}", *headers]
    return b"--x\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n" + content + b"\r\n"


# What a header can hold.
LATIN = st.binary(max_size=90).map(lambda raw: raw.decode("latin-1"))
END = b"--x--\r\n"
FILE = part('name="file"; filename="a.wav"')


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        ("name=\"file\"; filename*=UTF-8''%E4%BC%9A%E8%AE%AE.wav", "会议.wav"),
        ("name=file; FILENAME*=utf-8'zh'%E4%BC%9A.wav", "会.wav"),
        ("filename*=gb18030''%BB%E1.wav; name=\"file\"", "会.wav"),
        ('name="file"; filename="x.wav"; filename*=UTF-8\'\'%E4%BC%9A.wav', "会.wav"),
        ('name="file"; filename="x.wav"; filename*=bz2\'\'%41', "x.wav"),
        ("name=\"file\"; filename*=nonsense''%41", ""),
        ("name=\"file\"; filename*=UTF-8''%FF%FE", ""),
        ('name="file"; filename*0="a"; filename*1=".wav"', ""),
        ("name=\"file\"; filename*=utf-7''%2B2AA-.wav", ""),
        ("name=\"file\"; filename*=unicode_escape''%5Cud800.wav", ""),
        ("name=\"file\"; filename*=UTF-8''a%0A%1B%5D0.wav", "a  ]0.wav"),
        ('name="file"; filename="会议.wav"', "会议.wav"),
        ('name="file"; filename=""', ""),
    ],
)
def test_a_file_is_a_file_however_its_name_is_written(
    tmp_path: Path, disposition: str, name: str
) -> None:
    form = read(tmp_path, part(disposition, b"sound" * 30_000) + END)
    assert [file.given_name for file in form.files] == [name]
    assert form.files[0].path.read_bytes() == b"sound" * 30_000


def test_what_stands_in_quotes_is_no_parameter(tmp_path: Path) -> None:
    form = read(tmp_path, part("name=\"a; filename*=utf-8''b\"", b"value") + END)
    assert list(form.fields.values()) == ["value"]


def test_the_last_value_of_a_field_counts_and_all_are_kept(tmp_path: Path) -> None:
    form = read(tmp_path, part('name="a"', b"1") + part('name="a"', b"2") + END)
    assert (form.fields, form.lists) == ({"a": "2"}, {"a": ["1", "2"]})


@pytest.mark.parametrize(
    "body",
    [
        part('name="hotwords"', b"x" * 65_000) * 23,
        part('name="hotwords"', b"") * 100_000,
        part('name="hotwords"', b"x" * 65_537),
        b"".join(part(f'name="{n}"') for n in range(100)),
        part('name="file"; filename="a"', b"") * 4,
        part('name="a"', b"", *(f"X-{n}: 1" for n in range(50))),
        part('name="a"', b"", "X: " + "1" * 100_000),
        b"--x\r\n" + b"X" * 1_000_000,
        part('name="' + "n" * 100_000 + '"'),
        FILE + END + b"after the end" * 100_000,
        b"\r\n" * 500_000 + FILE + END,
        b"--x\r\n\r\n1\r\n" + END,
        part("nothing", b""),
    ],
    ids=range(13),
)
@pytest.mark.parametrize("chunk", [CHUNK, 1000])
def test_what_is_no_file_is_bounded(tmp_path: Path, body: bytes, chunk: int) -> None:
    with pytest.raises(BadRequest) as refused:
        read(tmp_path, body, chunk=chunk)
    assert refused.value.http_status == 400


def test_a_batch_may_have_as_many_addresses_as_files(tmp_path: Path) -> None:
    body = b"".join(part('name="url"', b"https://example.com/a.wav") for _ in range(1000)) + END
    form = read(tmp_path, body, max_files=1000, more_fields=1000)
    assert len(form.lists["url"]) == 1000
    with pytest.raises(BadRequest, match="more than 64 fields"):
        read(tmp_path, body, max_files=1000)


def test_many_files_may_have_much_around_them(tmp_path: Path) -> None:
    one = part('name="files"; filename="' + "n" * 1000 + '.wav"', b"1")
    assert len(read(tmp_path, one * 900 + END, max_files=1000).files) == 900
    assert around_bytes(1000) > 900 * 1000


@pytest.mark.parametrize("length", [71, 256, 5000])
def test_a_boundary_over_seventy_characters_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(BadRequest, match="70"):
        read(tmp_path, b"", f"multipart/form-data; boundary={'b' * length}")


def test_a_boundary_of_seventy_characters_is_fine(tmp_path: Path) -> None:
    long = "b" * 70
    body = FILE.replace(b"--x\r\n", f"--{long}\r\n".encode()) + f"--{long}--\r\n".encode()
    assert len(read(tmp_path, body, f"multipart/form-data; boundary={long}").files) == 1


@settings(max_examples=200, deadline=None)
@given(
    LATIN | LATIN.map(lambda text: f"multipart/form-data; boundary={text}"),
    st.lists(
        st.sampled_from(
            [FILE, END, b"--x", b"\r\n", b"\n", b"--", part('name="a"'), b": ", b"; filename*="]
        )
        | st.binary(max_size=20),
        max_size=12,
    ).map(b"".join),
    st.integers(1, 50),
)
def test_whatever_comes_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content_type: str, body: bytes, chunk: int
) -> None:
    for kind in (TYPE, content_type):
        try:
            read(tmp_path_factory.mktemp("form"), body, kind, chunk)
        except SeacodError as error:
            assert error.http_status < 500
