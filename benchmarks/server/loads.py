"""The loads: how each is put on a server, what is measured, and what is to be reached."""

import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import SESSIONS, Server, last_line

LINKS = "30"
HANDSHAKES_TOGETHER = 16
REGISTER_FIRST = frozenset({"update", "send"})
WARM_UP_OF_JAVA = 20.0
"""Seconds of the same load before the one that counts: code that runs often has been compiled by then."""
WARM_UP = 2.0
"""Seconds in which a server that stores nothing works off the beginning of its observations."""
KEEP_ANSWERING = 30.0
"""Seconds longer than the server asks that devices answer: it waits for the last answers."""

Figures = dict[str, Any]


@dataclass(frozen=True)
class Programs:
    """The compiled load generators."""

    plain: Path
    secure: Path | None


@dataclass(frozen=True)
class Goal:
    """At least (or, where `below`, less than) a value; as a multiple of another server's figure in the same run."""

    value: float
    times: str = ""
    figure: str = ""
    below: bool = False
    of_load: str = ""
    kind: str = "ours"
    """The server that it is set for."""


@dataclass(frozen=True)
class Load:
    """One row of the table."""

    name: str
    put_on: Callable[[Programs, Server, float, "Load"], Figures]
    mode: str = ""
    devices: int = 1_000
    argument: str = LINKS
    together: int = 0
    """How many devices wait for an answer at a time; 0: all of them."""
    figure: str = "per_second"
    unit: str = "/s"
    kinds: frozenset[str] = frozenset({"stock", "ours"})
    goals: tuple[Goal, ...] = ()


def command(
    programs: Programs, server: Server, seconds: float, load: Load, argument: str, *, skip: float = 0
) -> list[str]:
    where = ["127.0.0.1", str(server.port), str(load.devices)]
    return [str(programs.plain), load.mode, *where, str(seconds + skip), argument, "0", str(skip), str(load.together)]


def devices_ask(programs: Programs, server: Server, seconds: float, load: Load) -> Figures:
    """Devices ask or send, the server answers."""
    argument = server.facts.get(load.argument, "") if load.mode in {"request", "download"} else load.argument
    if server.kind == "leshan":
        subprocess.run(command(programs, server, WARM_UP_OF_JAVA, load, argument), check=True, capture_output=True)
    line = command(programs, server, seconds, load, argument)
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    if load.mode in REGISTER_FIRST:
        process.stdout.readline()
    before = server.cpu_seconds()
    got = last_line(process.communicate()[0])
    got["cpu_us"] = (server.cpu_seconds() - before) * 1e6 / max(got["responses"], 1)
    return got


def devices_notify(programs: Programs, server: Server, seconds: float, load: Load) -> Figures:
    """Devices notify; with ours, what counts is how many are in the database and how long that took."""
    stores = "secure_port" in server.facts
    line = command(programs, server, seconds, load, load.argument, skip=0 if stores else WARM_UP)
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()  # registered
    server.order("observe")
    process.stdout.readline()  # observed
    stored_before = server.order("stored")["stored"] if stores else 0
    before, begun = server.cpu_seconds(), time.monotonic()
    got = last_line(process.communicate()[0])
    count = got["per_second"] * (seconds + WARM_UP)
    if stores:
        count = server.order("stored", seconds)["stored"] - stored_before
        got |= {"received_per_second": got["per_second"], "per_second": count / (time.monotonic() - begun)}
    got["cpu_us"] = (server.cpu_seconds() - before) * 1e6 / max(count, 1)
    return got


def server_asks(programs: Programs, server: Server, seconds: float, load: Load) -> Figures:
    """The server asks each device, one request under way to each."""
    line = command(programs, server, seconds + KEEP_ANSWERING, load, LINKS)
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        process.stdout.readline()  # registered
        return server.order(load.argument, seconds)
    finally:
        process.kill()
        process.communicate()


def secure_devices_ask(programs: Programs, server: Server, seconds: float, load: Load) -> Figures:
    """Handshakes, then requests in the sessions."""
    if programs.secure is None:
        return {}
    where = ["127.0.0.1", str(server.facts["secure_port"])]
    line = [str(programs.secure), *where, str(SESSIONS), str(HANDSHAKES_TOGETHER), str(seconds), server.facts["hello"]]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    begun = server.cpu_seconds()
    process.stdout.readline()
    shaken = server.cpu_seconds()
    got = last_line(process.communicate()[0])
    got["handshake_cpu_us"] = (shaken - begun) * 1e6 / SESSIONS
    got["cpu_us"] = (server.cpu_seconds() - shaken) * 1e6 / max(got["responses"], 1)
    return got


ALL = frozenset({"stock", "libcoap", "ours"})
REGISTRIES = frozenset({"stock", "leshan", "ours"})
DTLS = frozenset({"ours", "cid", "libcoap-openssl"})
"""Ours on OpenSSL, ours with connection ids, and libcoap's on OpenSSL."""

LOADS = (
    Load(
        "trivial request",
        devices_ask,
        "request",
        2_000,
        "hello",
        together=64,
        kinds=ALL,
        goals=(Goal(12, "stock"), Goal(2, "libcoap")),
    ),
    Load(
        "Register, 30 links, stored",
        devices_ask,
        "register",
        500,
        kinds=REGISTRIES,
        goals=(Goal(6, "stock"), Goal(1, "leshan", figure="cpu_us", below=True)),
    ),
    Load("Update", devices_ask, "update", kinds=REGISTRIES, goals=(Goal(50_000),)),
    Load("Read of 1,000 devices", server_asks, "answer", argument="read", goals=(Goal(8, "stock"),)),
    Load("Read-Composite of 1,000 devices", server_asks, "answer", argument="read composite"),
    Load(
        "100 kB to 1,000 devices by Block2",
        devices_ask,
        "download",
        argument="package",
        figure="bytes_per_second",
        unit="B/s",
        goals=(Goal(14, "stock"),),
    ),
    Load("notifications, decoded and stored", devices_notify, "notify", goals=(Goal(1.5, "stock"),)),
    Load(
        "Send, decoded and stored",
        devices_ask,
        "send",
        goals=(Goal(1.5, "stock", of_load="notifications, decoded and stored"),),
    ),
    Load(
        "DTLS PSK handshakes",
        secure_devices_ask,
        figure="handshakes_per_second",
        kinds=DTLS,
        goals=(Goal(4_500), Goal(7_000, kind="cid")),
    ),
    Load("requests over DTLS", secure_devices_ask, kinds=DTLS, goals=(Goal(25_000), Goal(60_000, kind="cid"))),
)
