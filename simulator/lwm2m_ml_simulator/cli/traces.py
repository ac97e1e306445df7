"""Traces on the screen: the conversation of a device with its server, and how a replay went."""

from collections.abc import Sequence
from typing import Any

from lwm2m_ml_simulator.cli.output import print_table
from lwm2m_ml_simulator.trace.reader import Recorded
from lwm2m_ml_simulator.trace.replay import Replayed, describe


def conversation(trace: Sequence[Recorded]) -> list[dict[str, Any]]:
    """Return each datagram in a few words."""
    return [
        {
            "at": round(recorded.at, 6),
            "direction": "device → server" if recorded.up else "server → device",
            "type": recorded.message.mtype.name if recorded.message is not None else None,
            "message": _words(recorded),
            "bytes": len(recorded.raw),
        }
        for recorded in trace
    ]


def print_conversation(trace: Sequence[Recorded]) -> None:
    """Print one line for each datagram."""
    print_table(
        ("s", "direction", "type", "message", "B"),
        (tuple(entry.values()) for entry in conversation(trace)),
    )


def print_replayed(replayed: Sequence[Replayed]) -> None:
    """Print one line for each request, and a sum."""
    print_table(
        ("s", "request", "then", "now", "alike"),
        ((answer.at, answer.request, answer.then, answer.now, answer.alike) for answer in replayed),
    )
    alike = sum(answer.alike for answer in replayed)
    print(f"{alike} of {len(replayed)} requests were answered as they were then.")


def _words(recorded: Recorded) -> str:
    if recorded.message is not None and not recorded.encrypted:
        return describe(recorded.message)
    return "DTLS record" if recorded.encrypted else "no CoAP"
