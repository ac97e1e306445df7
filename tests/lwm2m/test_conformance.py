import pytest

from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.lwm2m.conformance import (
    ConformanceError,
    Operation,
    check_operation,
    check_records,
    check_value,
    missing_mandatory,
    parse_value,
)
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.lwm2m.value import ObjectLink, Value

path = ObjectPath.parse


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("/3/0/9", 100),
        ("/3/0/6/0", 7),
        ("/9/0/3", "coap://host/x"),
        ("/42770/0/22", 99.5),
        ("/42770/0/22", 99),
        ("/42769/0/25", bytes(16)),
        ("/25/0/3", "</3/0>"),
        ("/42771/0/0", ObjectLink(42770, 0)),
        ("/9999/0/1", "anything"),
        ("/0/0/8", bytes(32)),
    ],
)
def test_fitting_values_pass(where: str, value: Value, catalogue: Catalogue) -> None:
    assert check_value(path(where), value, catalogue) == value


@pytest.mark.parametrize(
    ("where", "value", "problem"),
    [
        ("/3/0/9", 101, "outside 0..100"),
        ("/3/0/9", "full", "must be Integer, not str"),
        ("/3/0/9", True, "must be Integer"),
        ("/3/0/6", 1, "has instances"),
        ("/3/0/9/0", 1, "has no instances"),
        ("/9/0/3", "x" * 256, "has the length 256"),
        ("/42770/0/15", -1, "must be Unsigned Integer"),
        ("/25/0/3", "</3/0", "not a list of links"),
        ("/3/0/4", 1, "must be empty"),
        ("/0/0/8", bytes(17), "outside 16, 32, 48"),
    ],
)
def test_other_values_are_refused_with_path_and_reason(
    where: str, value: Value, problem: str, catalogue: Catalogue
) -> None:
    with pytest.raises(ConformanceError, match=problem) as refused:
        check_value(path(where), value, catalogue)
    assert str(refused.value).startswith(where)
    assert refused.value.path == path(where)


@pytest.mark.parametrize(
    ("where", "operation", "code"),
    [
        ("/3/0/0", Operation.WRITE, ResponseCode.METHOD_NOT_ALLOWED),
        ("/3/0/0", Operation.EXECUTE, ResponseCode.METHOD_NOT_ALLOWED),
        ("/3/0/4", Operation.READ, ResponseCode.METHOD_NOT_ALLOWED),
        ("/3/0", Operation.EXECUTE, ResponseCode.METHOD_NOT_ALLOWED),
        ("/0", Operation.READ, ResponseCode.UNAUTHORIZED),
        ("/0/0/1", Operation.WRITE, ResponseCode.UNAUTHORIZED),
        ("/3/0/0/0", Operation.READ, ResponseCode.NOT_FOUND),
    ],
)
def test_operations_that_a_definition_does_not_allow(
    where: str, operation: Operation, code: ResponseCode, catalogue: Catalogue
) -> None:
    with pytest.raises(ConformanceError) as refused:
        check_operation(path(where), operation, catalogue)
    assert refused.value.code is code


@pytest.mark.parametrize(
    ("where", "operation"),
    [
        ("/3/0", Operation.READ),
        ("/3", Operation.READ),
        ("/1/0/1", Operation.WRITE),
        ("/3/0/4", Operation.EXECUTE),
        ("/9999/0/1", Operation.WRITE),
    ],
)
def test_operations_that_are_allowed(where: str, operation: Operation, catalogue: Catalogue) -> None:
    check_operation(path(where), operation, catalogue)


def test_a_bootstrap_server_may_write_the_security_object(catalogue: Catalogue) -> None:
    records = (Record(path("/0/0/0"), "coap://host"), Record(path("/0/0/1"), False), Record(path("/1/0/0"), 1))
    assert check_records(records, Operation.WRITE, catalogue, bootstrap=True) == records


def test_records_come_back_in_their_types(catalogue: Catalogue) -> None:
    (record,) = check_records([Record(path("/42770/0/22"), 50)], Operation.WRITE, catalogue)
    assert (record.value, type(record.value)) == (50.0, float)


def test_a_new_instance_lacks_mandatory_resources(catalogue: Catalogue) -> None:
    given = [Record(path("/1/0/0"), 1), Record(path("/1/0/1"), 60)]
    assert missing_mandatory(path("/1/0"), given, catalogue) == (path("/1/0/6"), path("/1/0/7"))
    assert missing_mandatory(path("/9999/0"), given, catalogue) == ()


@pytest.mark.parametrize(
    ("where", "text", "value"),
    [
        ("/3/0/9", "50", 50),
        ("/1/0/6", "true", True),
        ("/9999/0/1", "5", "5"),
        ("/42771/0/0", "42770:1", ObjectLink(42770, 1)),
    ],
)
def test_what_people_write_becomes_a_value(where: str, text: str, value: Value, catalogue: Catalogue) -> None:
    assert parse_value(path(where), text, catalogue) == value


@pytest.mark.parametrize("text", ["fifty", "101", ""])
def test_what_people_write_is_checked(text: str, catalogue: Catalogue) -> None:
    with pytest.raises(Lwm2mMlError, match="/3/0/9"):
        parse_value(path("/3/0/9"), text, catalogue)
