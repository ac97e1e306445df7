"""A compile farm and a campaign over ten million devices, simulated event by event: `make bench-cluster`.

Devices that wake at the same moment and are of one kind are one event, weighted with how many they are. What a node
does in a second, and how long a compilation takes, are measured figures that can be given as arguments; how often
devices wake and how many kinds of them there are, are assumptions. Nothing here is a timing of this program: the
simulation counts, and says when.
"""

import argparse
import heapq
import json
import random
from dataclasses import dataclass

DAY = 86_400.0


@dataclass(frozen=True)
class Figures:
    """What was measured, per second of one process unless said otherwise."""

    requests: float = 8_000.0
    """Requests of devices that a node's process serves (`make bench-server`, rounded down)."""
    claims: float = 250.0
    """Changes of owner (`measure.py`, on a machine that was busy with other things)."""
    rows: float = 2_300.0
    """Rows written with their token by one node (`measure.py`, likewise)."""
    compile_seconds: float = 8.0
    """One variant for one target, measured and proved, on one core."""
    package_bytes: int = 12_000
    """A module as it travels (`make bench-delivery`)."""
    block_bytes: int = 512
    messages_besides: int = 40
    """Reads, writes, executes and notifications of one delivery, both directions."""
    steps_written: int = 8
    """Rows that one device's delivery writes."""


def farm(kinds: int, variants: int, workers: int, seconds: float, *, nodes: int, keyed: bool, seed: int = 1) -> float:
    """Seconds until every kind has its module.

    Every node asks for what its own devices need, in an order of its own. With keys by content the first to ask has a
    thing compiled and the others wait for that; without, each node has it compiled for itself.
    """
    chance = random.Random(seed)
    asked: list[tuple[int, int]] = []
    for node in range(nodes):
        order = list(range(kinds * variants))
        chance.shuffle(order)
        asked.extend((node, build) for build in order)
    begun: set[object] = set()
    free = [0.0] * workers
    heapq.heapify(free)
    ended = 0.0
    for node, build in asked:
        key = build if keyed else (node, build)
        if key in begun:
            continue
        begun.add(key)
        at = heapq.heappop(free) + seconds * chance.uniform(0.5, 1.5)
        heapq.heappush(free, at)
        ended = max(ended, at)
    return ended


@dataclass(frozen=True)
class Campaign:
    """Ten million devices in cells of nodes, and what limits how fast they are brought a model."""

    devices: int
    cells: int
    nodes_per_cell: int
    at_once: int
    """Deliveries that the one driver of a cell has under way."""
    wake_seconds: float
    """Between two messages of a device that sleeps."""
    delivery_seconds: float
    """From offer to confirmation, once it is awake."""


def campaign(plan: Campaign, figures: Figures, *, seed: int = 1) -> dict[str, object]:
    """Simulate one cell; all cells are alike and share nothing."""
    chance = random.Random(seed)
    group = 100
    groups = plan.devices // plan.cells // group
    wakes = [(chance.uniform(0.0, plan.wake_seconds), number) for number in range(groups)]
    heapq.heapify(wakes)
    under_way: list[float] = []
    places = plan.at_once // group
    begun: list[float] = []
    done = 0.0
    put_off = 0
    while wakes:
        now, number = heapq.heappop(wakes)
        while under_way and under_way[0] <= now:
            heapq.heappop(under_way)
        if len(under_way) >= places:
            put_off += 1
            heapq.heappush(wakes, (now + plan.wake_seconds * chance.uniform(0.9, 1.1), number))
            continue
        end = now + plan.delivery_seconds * chance.uniform(0.5, 2.0)
        heapq.heappush(under_way, end)
        begun.append(now)
        done = max(done, end)
    busiest = _busiest(begun, plan.delivery_seconds) * group
    blocks = -(-figures.package_bytes // figures.block_bytes)
    messages = 2 * blocks + figures.messages_besides
    per_second = busiest / plan.delivery_seconds
    return {
        "hours": round(done / 3600, 1),
        "devices_per_cell": plan.devices // plan.cells,
        "wakes_in_vain_per_device": round(put_off / max(1, groups), 2),
        "most_deliveries_at_once_in_a_cell": busiest,
        "requests_per_second_and_node": round(per_second * messages / plan.nodes_per_cell),
        "share_of_what_a_node_serves": round(per_second * messages / plan.nodes_per_cell / figures.requests, 2),
        "rows_per_second_and_cell": round(per_second * figures.steps_written),
        "megabits_per_second_all_cells": round(plan.cells * per_second * figures.package_bytes * 8 * 1.2 / 1e6),
        "gigabytes_in_all": round(plan.devices * figures.package_bytes * 1.2 / 1e9),
    }


def _busiest(begun: list[float], seconds: float) -> int:
    """Groups that began within any such stretch, at most."""
    most = start = 0
    for end, at in enumerate(begun):
        while begun[start] < at - seconds:
            start += 1
        most = max(most, end - start + 1)
    return most


def standing(devices: int, figures: Figures, *, update_seconds: float, moves_per_day: float) -> dict[str, object]:
    """What a fleet costs that does nothing but stay registered."""
    updates, claims = devices / update_seconds, devices * moves_per_day / DAY
    return {
        "devices": devices,
        "updates_per_second": round(updates),
        "rows_per_second": round(updates),
        "changes_of_owner_per_second": round(claims),
        "node_processes_for_updates": round(updates / (figures.requests / 2) + 0.5),
        "node_processes_for_changes_of_owner": round(claims / figures.claims + 0.5),
        "database_writers_for_rows": round(updates / figures.rows + 0.5),
        "megabytes_of_events_per_second_to_each_node": round(updates * 85 / 1e6, 2),
    }


def main() -> None:
    """Print what the documentation tells."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--claims", type=float, default=Figures.claims, help="changes of owner per second of a node")
    parser.add_argument("--rows", type=float, default=Figures.rows, help="fenced rows per second of a node")
    parser.add_argument("--compile-seconds", type=float, default=Figures.compile_seconds)
    given = parser.parse_args()
    figures = Figures(claims=given.claims, rows=given.rows, compile_seconds=given.compile_seconds)
    seconds = figures.compile_seconds
    builds = {
        f"{workers} workers, {'by content' if keyed else 'each node for itself'}": round(
            farm(200, 4, workers, seconds, nodes=10, keyed=keyed) / 60, 1
        )
        for workers in (2, 16, 64)
        for keyed in (True, False)
    }
    found = {
        "compile_minutes_for_200_kinds_4_variants_10_nodes": builds,
        "standing": [
            standing(devices, figures, update_seconds=3_600.0, moves_per_day=2.0) for devices in (1_000_000, 10_000_000)
        ],
        "campaign_over_10_million": {
            f"at once {at_once}, devices wake every {wake:.0f} s": campaign(
                Campaign(10_000_000, 10, 4, at_once, wake, 120.0), figures
            )
            for at_once in (1_000, 5_000, 20_000)
            for wake in (600.0, 3_600.0)
        },
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
