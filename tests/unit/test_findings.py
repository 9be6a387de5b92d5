"""Which of the stretches that were noticed are worth a warning."""

from __future__ import annotations

from seacod.asr.sound.findings import Findings


def test_one_frame_is_no_damage_and_many_of_them_are() -> None:
    """One is lost where two MP3 files were put one behind the other."""
    findings = Findings()
    findings.stretch("damaged_somewhere", 2.8, 2.826)
    assert findings.warnings() == []
    findings.stretch("damaged_somewhere", 2.826, 2.878)
    assert [one.code for one in findings.warnings()] == ["damaged_somewhere"]
