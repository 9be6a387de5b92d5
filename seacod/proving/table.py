"""Tables for the terminal, in the reader's language, a row as soon as it is known. Used by the
benches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from seacod.system.text.terminal import in_language, padded, width
from seacod.system.text.words import Words

T = TypeVar("T")
_LEAST_COLUMNS = 8


class Table(Generic[T]):
    """
    Args:
        columns: what is written above each, and what a row has there; figures are on the right.
        first_columns: how wide the first is, which has names and is on the left.
    """

    def __init__(self, *columns: tuple[Words, Callable[[T], str]], first_columns: int) -> None:
        self._columns = columns
        self._first_columns = first_columns

    def begin(self) -> None:
        """Print what stands above the rows."""
        self._print([in_language(*words) for words, _ in self._columns])

    def add(self, row: T) -> None:
        """Print a row."""
        self._print([cell(row) for _, cell in self._columns])

    def show(self, rows: Iterable[T]) -> None:
        """Print all of it."""
        self.begin()
        for row in rows:
            self.add(row)

    def _print(self, cells: list[str]) -> None:
        widths = [max(_LEAST_COLUMNS, width(in_language(*words))) for words, _ in self._columns]
        figures = zip(cells[1:], widths[1:], strict=True)
        shown = [padded(cell, columns, is_right=True) for cell, columns in figures]
        print("  ".join([padded(cells[0], self._first_columns), *shown]), flush=True)
