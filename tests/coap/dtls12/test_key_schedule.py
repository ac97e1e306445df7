"""The pseudorandom function and the secrets."""

from lwm2m_ml.coap.dtls12.key_schedule import Prf, psk_premaster

SECRET = bytes.fromhex("9bbe436ba940f017b17652849a71db35")
SEED = bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c")
OUTPUT = bytes.fromhex(
    "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a"
    "6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab"
    "4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701"
    "87347b66"
)
"""The test vector for P_SHA256 that the TLS working group published for implementers of RFC 5246."""


def test_the_prf_gives_the_published_output() -> None:
    assert Prf(SECRET).make(b"test label", SEED, 100) == OUTPUT


def test_a_shorter_output_is_the_beginning_of_a_longer_one() -> None:
    assert Prf(SECRET).make(b"test label", SEED, 33) == OUTPUT[:33]


def test_the_premaster_of_a_key_alone_has_zeros_in_front() -> None:
    assert psk_premaster(b"abc") == b"\x00\x03\x00\x00\x00\x00\x03abc"


def test_the_premaster_of_a_key_with_a_shared_secret_has_that_in_front() -> None:
    assert psk_premaster(b"abc", b"ZZ") == b"\x00\x02ZZ\x00\x03abc"
