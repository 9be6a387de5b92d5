"""Numbers, dates and units in digits (inverse text normalisation), by the library wetext.

Its grammars come with it; nothing is fetched. Without it, or switched off, text stays as
recognised.
"""

from __future__ import annotations

from typing import Any

from seacod.errors import ModelUnavailable


class InverseTextNormaliser:
    """Writes recognised text as people would. `write` may run on any thread but not on the
    loop's."""

    def __init__(self, is_on: bool) -> None:
        self.is_on = is_on
        self._normaliser: Any = None

    def load(self) -> None:
        """Read the grammars.

        Raises:
            ModelUnavailable: the library is not installed.
        """
        if not self.is_on:
            return
        try:
            from wetext import Normalizer
        except ImportError:
            raise ModelUnavailable(
                "asr.inverse_text_normalisation: needs the package wetext; install it with: "
                "pip install 'seacod[itn]', or set it to off",
                "asr.inverse_text_normalisation：缺少 wetext，请安装 seacod[itn] 或改为 off",
            ) from None
        self._normaliser = Normalizer(lang="zh", operator="itn")

    def write(self, text: str) -> str:
        """二百五十 becomes 250."""
        return str(self._normaliser.normalize(text)) if self.is_on and text else text
