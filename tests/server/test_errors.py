"""Errors say what happened, to whom, and what to do."""

from lwm2m_ml.lwm2m.response_codes import ResponseCode
from lwm2m_ml.server.errors import DeviceError, UnknownDevice, describe


def test_codes_read_as_people_write_them() -> None:
    assert describe(ResponseCode.NOT_FOUND) == "4.04 not found"
    assert describe(0xBF) == "5.31"


def test_a_device_error_names_device_operation_code_and_reason() -> None:
    error = DeviceError("dev", "Read /3/0/0", ResponseCode.UNAUTHORIZED, "no access")
    assert str(error) == "dev answered Read /3/0/0 with 4.01 unauthorized (no access)."
    assert (error.endpoint, error.code) == ("dev", ResponseCode.UNAUTHORIZED)


def test_an_unknown_device_comes_with_a_way_out() -> None:
    assert "devices list" in str(UnknownDevice("dev"))
