"""What a client is called in the queue, and who it is."""

from __future__ import annotations

import pytest

from seacod.system.net.client_names import is_named, own_name, owner


@pytest.mark.parametrize(
    ("client", "who", "name", "named"),
    [
        ("key:robot", "key:robot", "robot", True),
        ("job:key:robot", "key:robot", "robot", True),
        ("live:user:anna", "user:anna", "anna", True),
        ("10.0.0.7", "10.0.0.7", "10.0.0.7", False),
        ("job:::1", "::1", "::1", False),
        # A key may be called anything.
        ("key:job", "key:job", "job", True),
        ("live:key:user", "key:user", "user", True),
    ],
)
def test_a_client_is_whose_key_login_or_address_it_is(
    client: str, who: str, name: str, named: bool
) -> None:
    assert (owner(client), own_name(client)) == (who, name)
    assert is_named(owner(client)) is named
