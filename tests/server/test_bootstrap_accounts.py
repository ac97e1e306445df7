"""Accounts in what bootstrap writes."""

import pytest

from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml.server.bootstrap_accounts import beside, bootstrap_accounts, with_key


def records(values: dict[str, Value]) -> tuple[Record, ...]:
    return tuple(Record(ObjectPath.parse(path), value) for path, value in values.items())


def values(of: tuple[Record, ...]) -> dict[str, object]:
    return {str(record.path): record.value for record in of}


def test_every_account_but_bootstrap_ones_gets_the_key() -> None:
    given = records(
        {"/0/0/1": True, "/0/0/5": b"bs", "/0/1/0": "coaps://x", "/0/1/2": 3, "/0/1/5": b"old", "/1/0/1": 60}
    )
    assert values(with_key(given, "me", b"new")) == {
        "/0/0/1": True,
        "/0/0/5": b"bs",
        "/0/1/0": "coaps://x",
        "/0/1/2": 0,
        "/0/1/3": b"me",
        "/0/1/5": b"new",
        "/1/0/1": 60,
    }


@pytest.mark.parametrize(
    ("discovered", "accounts"),
    [
        (b"</0/0>,</0/1>;ssid=101,</1/0>;ssid=101,</3/0>", {0}),
        (b"</>;lwm2m=1.1,</0/1>,</0/0>;ssid=1", {1}),
        (b"</0>,</0/x>,</0/65536>", set()),
        (b"<<<", set()),
        (b"", set()),
    ],
)
def test_an_account_without_short_server_id_is_a_bootstrap_account(discovered: bytes, accounts: set[int]) -> None:
    assert bootstrap_accounts(discovered) == accounts


def test_accounts_move_beside_those_that_are_there() -> None:
    given = records({"/0/0/0": "coaps://a", "/0/1/0": "coaps://b", "/1/0/1": 60})
    assert values(beside(given, {0})) == {"/0/2/0": "coaps://a", "/0/1/0": "coaps://b", "/1/0/1": 60}
    assert beside(given, ()) == given
    assert values(beside(given, {0, 1, 2})) == {"/0/3/0": "coaps://a", "/0/4/0": "coaps://b", "/1/0/1": 60}
