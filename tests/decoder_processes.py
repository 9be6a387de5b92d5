"""Decoders and their nurseries that this process has started, among what else it has: services,
servers, databases of other tests."""

from __future__ import annotations

import os

import psutil
from supervised import wait_until

from seacod.asr.decoder.nursery import decoder_name


def decoders(within: psutil.Process | None = None) -> list[psutil.Process]:
    """The decoders of this process; only those that one nursery has forked, when it is named."""
    name = decoder_name(os.getpid())
    found = (within or psutil.Process()).children(recursive=True)
    return [one for one in found if one.name() == name]


def nurseries() -> list[psutil.Process]:
    """What decoders are forked from."""
    return [
        one for one in psutil.Process().children() if "seacod.asr.decoder.process" in one.cmdline()
    ]


def the_nursery() -> psutil.Process:
    """The only one, once it is what it is to be: just forked it has the name of who forked it."""
    (found,) = wait_until(lambda: (all_ := nurseries()) and len(all_) == 1 and all_, "a nursery")
    return found
