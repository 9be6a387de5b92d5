"""`seacod access key NAME`, `seacod access user NAME`: entries for the section `access`."""

from __future__ import annotations

import argparse
import getpass
import re
import sys

from seacod.cli.options import add_command, add_commands
from seacod.errors import EX_OK, BadRequest
from seacod.system.credentials import hash_key, hash_password, new_key
from seacod.system.text.terminal import in_language as say
from seacod.system.text.terminal import print_words

HELP = "keys and logins for page and API"
_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_SHORTEST_PASSWORD = 8


def add(parser: argparse.ArgumentParser) -> None:
    commands = add_commands(parser)
    for name, text, run in (
        ("key", "make a key for a program", key),
        ("user", "make a login for a person", user),
    ):
        add_command(commands, name, text, run).add_argument("name", help="who it is for")


def key(options: argparse.Namespace) -> int:
    """A new key, shown once, and the entry that lets it in."""
    name = _checked(options.name)
    secret = new_key()
    entry = f"{name}:{hash_key(secret)}"
    print_words(
        f"key:    {secret}\n"
        "        shown once; the client sends it as: Authorization: Bearer KEY\n"
        f"entry:  {entry}\n"
        "        add it to access.api_keys, then: seacod reload",
        f"key:    {secret}\n"
        "        仅显示这一次；客户端以 Authorization: Bearer 密钥 发送\n"
        f"entry:  {entry}\n"
        "        写入 access.api_keys，然后执行：seacod reload",
    )
    return EX_OK


def user(options: argparse.Namespace) -> int:
    """The entry for a password, which is asked for twice or read from standard input."""
    name = _checked(options.name)
    if sys.stdin.isatty():
        password = getpass.getpass(say("password: ", "密码："))
        if password != getpass.getpass(say("again:    ", "再输入一次：")):
            raise BadRequest("the two passwords differ; nothing was made", "两次输入的密码不一致")
    else:
        password = sys.stdin.readline().rstrip("\n")
    if len(password) < _SHORTEST_PASSWORD:
        raise BadRequest(
            f"the password is shorter than {_SHORTEST_PASSWORD} characters; take a longer one",
            f"密码少于 {_SHORTEST_PASSWORD} 个字符，请换一个更长的",
        )
    entry = f"{name}:{hash_password(password)}"
    print_words(
        f"entry:  {entry}\n        add it to access.users, then: seacod reload",
        f"entry:  {entry}\n        写入 access.users，然后执行：seacod reload",
    )
    return EX_OK


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise BadRequest(
            f"{name[:64]!r} cannot be a name: use letters, digits and . _ @ -, at most 64 of them",
            "名称只能包含字母、数字和 . _ @ -，最多 64 个字符",
        )
    return name
