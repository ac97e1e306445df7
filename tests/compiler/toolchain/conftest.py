"""A cache of their own for the toolchain's tests."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LWM2M_ML_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
