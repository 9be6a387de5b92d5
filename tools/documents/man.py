"""docs/man/seacod.1: the manual page, from the parser of the command line (man(7))."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from seacod.cli.parser import make_parser
from seacod.config.schema import SECRETS

_HEAD = r""".\" Made by tools/make_generated.py from seacod/cli.
.TH SEACOD 1 "" "seacod" "User Commands"
.SH NAME
seacod \- Chinese speech recognition as a dependable service
.SH SYNOPSIS
.B seacod
.I COMMAND
.RI [ OPTION ]...
.SH DESCRIPTION
.B seacod
runs FunASR's Seaco-Paraformer behind a web page and an HTTP API, under a supervisor that starts it
again when it ends or hangs, watches memory, GPU and disk, and tells its operator by mail.
Installed, it is
.BR seacod.service ;
the other commands look at the running service, use it, or prove it.
.SH COMMANDS
"""
_TAIL = r""".SH EXIT STATUS
.TP
.B 0
all is well
.TP
.B 1
something failed, and was named; of
.BR "seacod check" :
something should be looked at
.TP
.B 2
wrong use of the command line; of
.BR "seacod check" :
something failed
.TP
.B 64
a drill nobody has agreed to
.TP
.B 69
no service answers, or the model is not available
.TP
.B 70
an unexpected error
.TP
.B 71
the address belongs to another program, or a directory to another seacod
.TP
.B 73
a directory or file cannot be written to
.TP
.B 78
the configuration cannot be used
.TP
.B 130
ended by Ctrl-C
.SH ENVIRONMENT
.TP
.B SEACOD_CONFIG
the configuration file
.TP
.BI SEACOD_ SECTION _ KEY
overrides a setting, such as SEACOD_SERVER_PORT
.TP
.B SEACOD_API_KEY
the key for a service that asks for one
.TP
.B SEACOD_DEBUG
1: a command that fails unforeseen shows where
.TP
.BR LANG ", " LC_ALL
Chinese where they begin with zh
.SH FILES
.TP
.I /etc/seacod/seacod.yaml
settings; each is explained there
.TP
.I /etc/credstore/seacod.*
secrets: CREDENTIALS
.TP
.I /var/lib/seacod
models, batches, results, messages that wait
.TP
.I /run/seacod/status.sock
where the service says how it is
.SH SEE ALSO
.BR systemctl (1),
.BR journalctl (1)
"""


def page() -> str:
    """The page."""
    parser = make_parser()
    tail = _TAIL.replace("CREDENTIALS", ", ".join(credential for *_, credential in SECRETS))
    return _HEAD + "".join(f"{line}\n" for line in _commands(parser, "")) + tail


def _commands(parser: argparse.ArgumentParser, before: str) -> Iterator[str]:
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            continue
        # A command without a help is internal.
        listed = {choice.dest for choice in action._choices_actions}
        for name, below in action.choices.items():
            if name not in listed:
                continue
            full = f"{before}{name}"
            if any(isinstance(one, argparse._SubParsersAction) for one in below._actions):
                yield from _commands(below, f"{full} ")
            else:
                yield from _command(full, below)


def _command(name: str, parser: argparse.ArgumentParser) -> Iterator[str]:
    shown = [one for one in parser._actions if one.dest != "help"]
    operands = " ".join(_operand(one) for one in shown if not one.option_strings)
    yield f'.SS "seacod {_escaped(f"{name} {operands}".strip())}"'
    yield _sentence(parser.description or "")
    for one in shown:
        if one.option_strings:
            flags = ", ".join(rf"\fB{_escaped(flag)}\fR" for flag in one.option_strings)
            yield ".TP"
            yield f"{flags}{_argument(one)}"
            yield _sentence(one.help or "")
        elif one.help:
            yield ".TP"
            yield rf"\fI{_escaped(_named(one))}\fR"
            yield _sentence(one.help)


def _operand(action: argparse.Action) -> str:
    name = _named(action)
    many = "..." if action.nargs in ("*", "+") else ""
    return f"[{name}]{many}" if action.nargs in ("?", "*") else f"{name}{many}"


def _argument(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    name = rf"\fI{_escaped(_named(action))}\fR"
    return f" [{name}]" if action.nargs == "?" else f" {name}"


def _named(action: argparse.Action) -> str:
    metavar = action.metavar
    return metavar if isinstance(metavar, str) else action.dest.upper().replace("_", "-")


def _sentence(text: str) -> str:
    return _escaped((text[:1].upper() + text[1:]).replace("%%", "%"))


def _escaped(text: str) -> str:
    """For roff: a hyphen is a hyphen, and no line begins with a request."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{escaped}" if escaped.startswith((".", "'")) else escaped
