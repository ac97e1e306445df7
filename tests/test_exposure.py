"""Which addresses only this machine reaches."""

import pytest

from lwm2m_ml.exposure import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "192.0.2.1", "localhost.example", "10.0.0.1"])
def test_the_network(host: str) -> None:
    assert not is_loopback(host)
