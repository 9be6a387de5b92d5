"""Cells of tables that spreadsheets open."""

from __future__ import annotations

_FORMULAS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_CONTROLS = ("\t", "\r", "\n")


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula: names and errors are other people's words.
    https://owasp.org/www-community/attacks/CSV_Injection"""
    is_formula = text.lstrip().startswith(_FORMULAS) or text.startswith(_CONTROLS)
    return f"'{text}" if is_formula else text
