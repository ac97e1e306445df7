"""The trust list: only the root's, never an older one, and a revoked key's modules are refused."""

import dataclasses
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.module import cbor, cose
from lwm2m_ml.module.errors import ModuleRejected
from lwm2m_ml.module.recipient import Recipient
from lwm2m_ml.module.results import ModuleResult
from lwm2m_ml.module.signing import Algorithm, SigningKey
from lwm2m_ml.module.streaming import StreamingVerifier
from lwm2m_ml.module.trust_list import MAXIMUM_KEYS, TrustedKey, TrustList, TrustListRejected

ROOT = SigningKey.generate()
ROOTS = (ROOT.verification_key,)
OLD, NEW = SigningKey.generate(), SigningKey.generate(Algorithm.ES256)
LIST = TrustList(
    3,
    (TrustedKey(OLD.verification_key, valid_until=2000), TrustedKey(NEW.verification_key, valid_from=1000)),
    (bytes(32),),
)


def test_a_list_survives_the_round_trip() -> None:
    assert TrustList.verify(LIST.sign(ROOT), ROOTS, None) == LIST


@pytest.mark.parametrize(
    ("now", "trusted"), [(500, [OLD]), (1000, [OLD, NEW]), (1999, [OLD, NEW]), (2000, [NEW]), (None, [OLD, NEW])]
)
def test_keys_overlap_while_they_are_changed(now: float | None, trusted: list[SigningKey]) -> None:
    assert LIST.trusted_at(now) == tuple(key.verification_key for key in trusted)


def test_a_revoked_key_is_not_trusted_even_if_it_is_listed() -> None:
    revoking = dataclasses.replace(LIST, revoked=(OLD.key_id,))
    assert revoking.trusted_at(1500) == (NEW.verification_key,)


def test_older_lists_are_refused_and_the_same_one_is_accepted_again() -> None:
    newer = dataclasses.replace(LIST, version=4)
    assert TrustList.verify(newer.sign(ROOT), ROOTS, LIST) == newer
    assert TrustList.verify(LIST.sign(ROOT), ROOTS, LIST) == LIST
    with pytest.raises(TrustListRejected, match="version 3, 4 is installed"):
        TrustList.verify(LIST.sign(ROOT), ROOTS, newer)
    other = dataclasses.replace(LIST, revoked=())
    with pytest.raises(TrustListRejected, match="version 3, 3 is installed"):
        TrustList.verify(other.sign(ROOT), ROOTS, LIST)


@pytest.mark.parametrize("signer", [OLD, NEW, SigningKey.generate()])
def test_only_the_root_signs_lists(signer: SigningKey) -> None:
    with pytest.raises(TrustListRejected, match="not signed by the root"):
        TrustList.verify(LIST.sign(signer), ROOTS, None)


def test_every_changed_bit_and_every_truncation_is_refused() -> None:
    data = LIST.sign(ROOT)
    for position in range(len(data)):
        with pytest.raises(TrustListRejected):
            TrustList.verify(data[:position], ROOTS, None)
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            with pytest.raises(TrustListRejected):
                TrustList.verify(bytes(changed), ROOTS, None)


@given(st.binary(max_size=100))
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    for attempt in (data, cose.SIGN1_TAG + data, cose.sign1_attached(data, ROOT)):
        with pytest.raises(TrustListRejected):
            TrustList.verify(attempt, ROOTS, None)


@pytest.mark.parametrize(
    "change",
    [
        {0: 2},
        {1: 0},
        {1: "1"},
        {2: [{1: b"no key"}]},
        {2: [{2: 5}]},
        {2: [{1: NEW.verification_key.to_cose_key(), 3: -1}]},
        {2: [7]},
        {2: [{1: NEW.verification_key.to_cose_key()}] * (MAXIMUM_KEYS + 1)},
        {3: [b"short"]},
        {3: [5]},
        {3: [bytes(32)] * 65},
        {4: 1},
    ],
)
def test_a_list_of_another_form_is_refused_even_from_the_root(change: dict[int, object]) -> None:
    content = cbor.encode({0: 1, 1: 1, 2: [], 3: []} | change)
    with pytest.raises(TrustListRejected):
        TrustList.verify(cose.sign1_attached(content, ROOT), ROOTS, None)


def test_a_compromised_key_is_replaced_without_a_gap_and_its_modules_are_refused(
    build: Callable[..., bytes], recipient: Recipient
) -> None:
    """The story of a key change: before, overlap, revocation."""
    good, compromised = NEW, OLD
    before = TrustList(1, (TrustedKey(compromised.verification_key),))
    overlap = TrustList(2, (TrustedKey(compromised.verification_key), TrustedKey(good.verification_key)))
    after = TrustList(3, (TrustedKey(good.verification_key),), (compromised.key_id,))
    accepted = []
    for trust in (before, overlap, after):
        anchors = trust.trusted_at(None)
        device = dataclasses.replace(recipient, trust_anchors=anchors)
        accepted.append([_result(build(key=key), device) is ModuleResult.SUCCESS for key in (compromised, good)])
    assert accepted == [[True, False], [True, True], [False, True]]


def _result(package: bytes, recipient: Recipient) -> ModuleResult:
    verifier = StreamingVerifier(recipient)
    try:
        verifier.feed(package)
        verifier.finish()
    except ModuleRejected as rejection:
        return rejection.result
    return ModuleResult.SUCCESS
