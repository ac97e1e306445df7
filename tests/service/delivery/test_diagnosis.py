"""Diagnoses: one sentence with figures."""

from lwm2m_ml.service.delivery.diagnosis import Situation, diagnose, diagnose_silence
from lwm2m_ml.service.delivery.machine import Phase

SITUATION = Situation("Software Management", waited=30, served=12_288, total=41_200, silent_for=12)


def test_a_uri_nobody_fetches() -> None:
    assert diagnose(Phase.OFFERED, SITUATION) == (
        "no block fetched for 30 s after Package URI was written; device last seen 12 s ago"
    )


def test_a_transfer_that_stopped() -> None:
    assert diagnose(Phase.TRANSFER, SITUATION) == (
        "no block fetched for 30 s after 12,288 B were served of a package of 41,200 B; device last seen 12 s ago"
    )


def test_every_phase_that_can_be_stuck_has_a_sentence() -> None:
    for phase in Phase:
        if not phase.final:
            assert "30 s" in diagnose(phase, SITUATION)


def test_a_device_that_is_gone() -> None:
    gone = Situation("Firmware Update", waited=600, served=0, total=1, silent_for=None)
    assert diagnose_silence(gone) == "the device has not answered for 600 s; the device is not registered"
