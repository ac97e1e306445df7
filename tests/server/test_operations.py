"""Operations survive being written down."""

import pytest

from lwm2m_ml.errors import UsageError
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink, Value
from lwm2m_ml.server.operations import Operation, OperationName

VALUES: tuple[Value, ...] = ("text", 3, 2.5, True, b"\x00\xff", ObjectLink(42770, 1))
RECORDS = tuple(Record(ObjectPath(9, 0, number), value) for number, value in enumerate(VALUES))


@pytest.mark.parametrize("name", OperationName)
def test_every_operation_reads_back_as_it_was(name: OperationName) -> None:
    operation = Operation(name, (ObjectPath(9, 0),), RECORDS, False, "0='a',1", ("pmin=1", "gt"))
    assert Operation.from_document(operation.to_document()) == operation


def test_an_operation_that_needs_one_path_says_so() -> None:
    with pytest.raises(UsageError, match="needs one path, not 2"):
        _ = Operation(OperationName.READ, (ObjectPath(1), ObjectPath(3))).path
