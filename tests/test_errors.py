"""Errors say what happened, to what, and what to do."""

import pytest

from lwm2m_ml.errors import Lwm2mMlError, MissingExtraError, UsageError


def test_message_and_hint_become_two_sentences() -> None:
    assert str(Lwm2mMlError("The port is taken", hint="Choose another")) == "The port is taken. Choose another."


def test_an_error_without_a_hint_is_one_sentence() -> None:
    assert str(Lwm2mMlError("The port is taken")) == "The port is taken."


@pytest.mark.parametrize(("error", "code"), [(Lwm2mMlError("x"), 1), (UsageError("x"), 2)])
def test_wrong_usage_and_failure_have_different_exit_codes(error: Lwm2mMlError, code: int) -> None:
    assert error.exit_code == code


def test_a_missing_extra_names_the_command_that_installs_it() -> None:
    assert "pip install 'lwm2m-ml[tensorflow]'" in str(MissingExtraError("TensorFlow", "tensorflow"))
