"""The garbage collector under load."""

import gc

from lwm2m_ml.coap.tuning import YOUNG_GENERATION, prepare_for_load


def test_the_collector_leaves_start_up_alone() -> None:
    before = gc.get_threshold()
    try:
        prepare_for_load()
        assert gc.get_threshold()[0] == YOUNG_GENERATION
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
