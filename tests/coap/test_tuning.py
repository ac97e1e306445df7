"""The garbage collector and the turns of threads under load."""

import gc
import sys
from contextlib import suppress

from lwm2m_ml.coap.tuning import SWITCH_INTERVAL, YOUNG_GENERATION, collector_at_rest, prepare_for_load


def test_the_collector_leaves_start_up_alone_and_threads_take_turns_sooner() -> None:
    before, interval = gc.get_threshold(), sys.getswitchinterval()
    try:
        prepare_for_load()
        assert gc.get_threshold()[0] == YOUNG_GENERATION
        assert gc.get_freeze_count() > 0
        assert sys.getswitchinterval() == SWITCH_INTERVAL
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
        sys.setswitchinterval(interval)


def test_the_collector_rests_while_much_is_loaded_and_works_again_though_that_fails() -> None:
    with suppress(ValueError), collector_at_rest():
        assert not gc.isenabled()
        raise ValueError
    assert gc.isenabled()
