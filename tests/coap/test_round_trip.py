"""The RFC 6298 estimator."""

from lwm2m_ml.coap.round_trip import STALE_AFTER, RoundTrip
from lwm2m_ml.coap.settings import CoapSettings

SETTINGS = CoapSettings(minimum_timeout=0.0)


def test_the_first_sample_gives_three_times_itself() -> None:
    assert RoundTrip(0.5, 0.0).timeout(SETTINGS, 0.0) == 1.5


def test_steady_samples_bring_the_timeout_towards_the_round_trip() -> None:
    estimate = RoundTrip(0.5, 0.0)
    for _ in range(50):
        estimate.add(0.5, 0.0)
    assert 0.5 <= estimate.timeout(SETTINGS, 0.0) < 0.51


def test_a_sudden_delay_raises_the_timeout() -> None:
    estimate = RoundTrip(0.1, 0.0)
    before = estimate.timeout(SETTINGS, 0.0)
    estimate.add(2.0, 0.0)
    assert estimate.timeout(SETTINGS, 0.0) > 2 * before


def test_the_timeout_stays_within_its_bounds() -> None:
    settings = CoapSettings()
    assert RoundTrip(0.001, 0.0).timeout(settings, 0.0) == settings.minimum_timeout
    assert RoundTrip(60.0, 0.0).timeout(settings, 0.0) == settings.maximum_timeout


def test_an_old_measurement_is_not_believed() -> None:
    assert RoundTrip(0.1, 0.0).timeout(SETTINGS, STALE_AFTER + 1) == SETTINGS.ack_timeout
