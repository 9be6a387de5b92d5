"""A Word document (Office Open XML) by python-docx: warnings, then paragraphs with time and
speaker, for those who edit."""

from __future__ import annotations

import datetime
import io
import re
from pathlib import PurePosixPath
from typing import Any

from seacod.formats.base import Choices, OutputFormat, joined, one_line, prefix
from seacod.formats.remarks import remarks
from seacod.formats.text import paragraphs, sections
from seacod.transcript import Transcript

# XML has no way to write these.
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LATIN_FONT, _CHINESE_FONT = "Calibri", "宋体"
# A4, as paper is where Chinese is printed.
_PAGE_MILLIMETRES = (210, 297)
# All that the format allows.
_TITLE_CHARACTERS = 255
# A time or a name is to be told from the text.
_GREY, _TEAL = (0x70, 0x70, 0x70), (0x0F, 0x76, 0x6E)


def _render(transcript: Transcript, choices: Choices) -> bytes:
    # Here, since it takes a moment: commands offer formats that they do not write.
    from docx import Document
    from docx.oxml.ns import qn
    from docx.shared import RGBColor

    document = Document()
    _set_about(document, transcript.language, choices.recording_name)
    normal = document.styles["Normal"]
    normal.font.name = _LATIN_FONT
    # Without it Word takes a Japanese font for what is not Latin.
    normal.element.rPr.rFonts.set(qn("w:eastAsia"), _CHINESE_FONT)
    if choices.shows_warnings is not False:
        for line in remarks(transcript):
            document.add_paragraph(style="Quote").add_run(_clean(line))
    for title, segments in sections(transcript):
        if title is not None:
            document.add_heading(_clean(title), level=2)
        for part in paragraphs(segments):
            paragraph = document.add_paragraph()
            time = paragraph.add_run(f"[{_clock(part[0].start_seconds)}] ")
            time.font.color.rgb = RGBColor(*_GREY)
            if part[0].speaker and title is None:
                name = paragraph.add_run(_clean(prefix(part[0])))
                name.bold = True
                name.font.color.rgb = RGBColor(*_TEAL)
            paragraph.add_run(_clean(joined(part)))
    written = io.BytesIO()
    document.save(written)
    return written.getvalue()


def _set_about(document: Any, language: str, recording_name: str) -> None:
    """What the document says of itself, instead of what python-docx's template says: somebody's
    Word of 2013, a picture of its first page, letter paper, English and Japanese."""
    from docx.oxml.ns import qn
    from docx.shared import Mm

    language = "zh-CN" if language == "zh" else language
    about = document.core_properties
    about.title = _title(recording_name)
    about.author = about.last_modified_by = "seacod"
    about.comments = ""
    about.language = _clean(language)
    # In UTC, without saying so: as python-docx wants it.
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0, tzinfo=None)
    about.created = about.modified = now
    relations = document.part.package.rels
    for name, relation in list(relations.items()):
        if relation.reltype.endswith(("/thumbnail", "/extended-properties")):
            del relations[name]
    for section in document.sections:
        section.page_width, section.page_height = map(Mm, _PAGE_MILLIMETRES)
    # The language of what is Chinese and of what is not; spelling is checked by it.
    for one in document.styles.element.iter(qn("w:lang")):
        one.set(qn("w:eastAsia"), "zh-CN")
    for one in document.settings.element.iter(qn("w:themeFontLang")):
        one.set(qn("w:eastAsia"), "zh-CN")


def _title(recording_name: str) -> str:
    """The last part of a name, of whichever system, without its ending."""
    stem = PurePosixPath(recording_name.replace("\\", "/")).stem
    return _clean(one_line(stem))[:_TITLE_CHARACTERS]


def _clean(text: str) -> str:
    return _NO_XML.sub("\ufffd", text)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"


FORMAT = OutputFormat(
    "docx", ".docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "Word document", "Word 文档", 35, render=_render, is_binary=True, is_on_page=True,
    is_in_zip=True,
)  # fmt: skip
