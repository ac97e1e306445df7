from lwm2m_ml_simulator.network.ports import PortBook


def test_a_port_stays_with_the_device_that_had_it_first() -> None:
    book, one, other = PortBook(), object(), object()
    assert book.take(("127.0.0.1", 40_000), one)
    assert not book.take(("127.0.0.1", 40_000), other)
    assert book.take(("127.0.0.1", 40_000), one)


def test_the_same_port_of_another_address_is_another() -> None:
    book = PortBook()
    assert book.take(("127.0.0.1", 40_000), object())
    assert book.take(("127.0.0.2", 40_000), object())
