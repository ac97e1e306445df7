"""The garbage collector and the turns of threads under load."""

import gc
import sys

from lwm2m_ml.coap.tuning import SWITCH_INTERVAL, YOUNG_GENERATION, prepare_for_load


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
