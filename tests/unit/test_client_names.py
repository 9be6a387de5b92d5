"""What a client is called in the queue, and who it is."""

from __future__ import annotations

import pytest

from seacod.system.net.addresses import counted
from seacod.system.net.client_names import is_named, own_name, owner


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_a_client_without_a_name_is_its_address_or_its_network(address: str, known: str) -> None:
    assert counted(address) == known


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
