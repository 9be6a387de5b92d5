"""Logarithms of what the model thought of its tokens, as OpenAI's API has them.

Used by `verbose_json.py`, `full_json.py` and the route. They come from the posterior of each token;
of a word of several pieces from the mean of theirs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from seacod.transcript import Segment, Token

# The logarithm of nothing has no number in JSON.
_LEAST = 1e-10


def logarithm(token: Token) -> float | None:
    """The natural logarithm of a token's posterior; None where that is unknown."""
    if token.confidence is None:
        return None
    return round(math.log(min(1.0, max(_LEAST, token.confidence))), 4)


def log_probabilities(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    """Each token with its bytes and, where it is known, its logarithm.

    Shape: https://platform.openai.com/docs/api-reference/audio/json-object, `logprobs`.
    """
    found = []
    for segment in segments:
        for token in segment.tokens:
            one: dict[str, Any] = {"token": token.text, "bytes": list(token.text.encode())}
            known = logarithm(token)
            found.append(one if known is None else {**one, "logprob": known})
    return found
