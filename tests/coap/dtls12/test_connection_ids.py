"""Connection ids name their node and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.coap.dtls12 import CID_BYTES, ConnectionIds, node_of


@given(st.integers(0, 0xFFFF))
def test_an_id_tells_its_node(node: int) -> None:
    cid = ConnectionIds(node).new()
    assert len(cid) == CID_BYTES
    assert node_of(cid) == node


def test_ids_do_not_repeat() -> None:
    ids = ConnectionIds(1)
    assert len({ids.new() for _ in range(1000)}) == 1000


def test_a_balancer_knows_the_number_of_a_node_by_its_name() -> None:
    number = int.from_bytes(bytes.fromhex("7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed")[:2])
    assert ConnectionIds.of("one") == ConnectionIds(number)
    assert node_of(ConnectionIds.of("one").new()) == number
    assert ConnectionIds.of("other") != ConnectionIds.of("one")
