"""What both cascades saved, in words and figures, and what that assumes."""

from lwm2m_ml_simulator.demonstration.cascades.behind_gateway import GatewayFigures
from lwm2m_ml_simulator.demonstration.cascades.measured import COAP_BYTES
from lwm2m_ml_simulator.demonstration.cascades.wake_word import WakeWordFigures
from lwm2m_ml_simulator.energy.power import RadioPower


def report(words: WakeWordFigures, gateway: GatewayFigures, radio: RadioPower) -> str:
    """Return the lines to print."""
    return "\n".join(
        [
            "",
            "Wake word → command, on one microcontroller",
            f"  {words.windows} windows of synthetic sound with {words.wakes} wake words; the second model ran "
            f"{words.heard} times, {words.right} of them right",
            f"  instructions {words.instructions:,}; had the second model heard every window "
            f"{words.instructions_without:,.0f} ({_less(words.instructions, words.instructions_without)})",
            f"  sent {words.bytes_sent:,.0f} B; raw windows {words.bytes_raw:,.0f} B "
            f"({_less(words.bytes_sent, words.bytes_raw)})",
            f"  energy {1e3 * words.joules:.2f} mJ with both models; raw windows {1e3 * words.joules_raw:.2f} mJ "
            f"({_less(words.joules, words.joules_raw)})",
            "",
            f"Detector ({gateway.variants[0]}) → larger model ({gateway.variants[1]}) on the gateway",
            f"  {gateway.windows} windows of synthetic vibration with {gateway.anomalies} anomalies; "
            f"{gateway.passed_on} passed on, {gateway.found} of the anomalies among them; "
            f"{gateway.confirmed} confirmed by the gateway",
            f"  sent {gateway.bytes_sent:,.0f} B; every window, by a second sensor, {gateway.bytes_raw:,.0f} B "
            f"({_less(gateway.bytes_sent, gateway.bytes_raw)})",
            f"  energy {1e3 * gateway.joules:.2f} mJ with the detector; every window {1e3 * gateway.joules_raw:.2f} mJ "
            f"({_less(gateway.joules, gateway.joules_raw)})",
            "",
            "Assumed: bytes are UDP payloads out of the device. Energy is that of sending and receiving on",
            f"  {radio.title} ({radio.source}),",
            "  and of the instructions that were executed, one per cycle, at the target's active power.",
            "  Listening, sensor and sleep are the same either way and left out. Raw sound goes as 8-bit samples, with",
            f"  {COAP_BYTES} B of CoAP around each window, unconfirmed, never lost; all else was sent and counted.",
        ]
    )


def _less(now: float, otherwise: float) -> str:
    return f"{100 * (1 - now / otherwise):.1f} % less" if otherwise else "nothing to compare"
