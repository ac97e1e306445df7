"""What all tests share.

Each finds logging as it was never configured, whatever a command that ran in this process before has done.
"""

import gc
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog


@pytest.fixture(autouse=True)
def logging_of_its_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    configure = structlog.configure

    def configure_for_a_test(**settings: Any) -> None:
        # A logger that is cached writes into the stream of the test that used it first, which is closed by then.
        configure(**settings | {"cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", configure_for_a_test)
    yield
    structlog.reset_defaults()


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the wall clock so many seconds forward from what it really is."""
    real = time.time

    def put(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return put


@pytest.fixture
def lost_connections_collected() -> Iterator[None]:
    """Collect what `tests/lost_connections.py` tells of, within the test."""
    yield
    gc.collect()
