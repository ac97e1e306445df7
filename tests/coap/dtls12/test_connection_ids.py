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
