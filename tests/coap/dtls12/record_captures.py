"""Records handshakes between two OpenSSL programs for `test_captures`: `python tests/coap/dtls12/record_captures.py`.

A relay in between writes every datagram down; OpenSSL's key log tells the master secret.
"""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

CAPTURES = Path(__file__).parent / "captures"
KEY = "000102030405060708090a0b0c0d0e0f"
SUITES = ("PSK-AES128-CCM8", "PSK-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES128-GCM-SHA256")
SAID = b"said by the client"
SECONDS = 3.0


def main() -> None:
    version = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=True).stdout.strip()
    for suite in SUITES:
        with tempfile.TemporaryDirectory() as directory:
            captured = record(suite, Path(directory))
        CAPTURES.mkdir(exist_ok=True)
        facts = {"software": version, "suite": suite, "key": KEY, "said": SAID.hex(), **captured}
        (CAPTURES / f"{suite.lower()}.json").write_text(json.dumps(facts, indent=1) + "\n")
        print(suite, len(captured["datagrams"]), "datagrams", file=sys.stderr)


def record(suite: str, directory: Path) -> dict[str, Any]:
    key_log = directory / "keys"
    server_port, relay = free_port(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    relay.bind(("127.0.0.1", 0))
    secret = ["-psk", KEY] if suite.startswith("PSK") else certificate(directory)
    common = ["-dtls1_2", "-no_ticket", "-cipher", f"{suite}:@SECLEVEL=0", *secret]
    without = ["-nocert"] if suite.startswith("PSK") else ["-Verify", "1"]
    server = subprocess.Popen(
        ["openssl", "s_server", "-accept", f"127.0.0.1:{server_port}", "-quiet", "-listen", *without, *common],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(0.5)
    client = subprocess.Popen(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{relay.getsockname()[1]}", "-quiet", "-keylogfile", key_log,
         *common], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert client.stdin is not None
    client.stdin.write(SAID)
    client.stdin.flush()
    datagrams = relay_datagrams(relay, server_port)
    for process in (client, server):
        process.kill()
        process.wait()
    master = key_log.read_text().strip().splitlines()[-1].split()[-1]
    return {"master_secret": master, "datagrams": datagrams}


def certificate(directory: Path) -> list[str]:
    key, shown = str(directory / "key.pem"), str(directory / "certificate.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key,
         "-out", shown, "-subj", "/CN=peer", "-days", "1"], check=True, capture_output=True,
    )  # fmt: skip
    return ["-key", key, "-cert", shown, "-CAfile", shown]


def relay_datagrams(relay: socket.socket, server_port: int) -> list[tuple[str, str]]:
    onward = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    onward.connect(("127.0.0.1", server_port))
    seen: list[tuple[str, str]] = []
    client: Any = None
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        for ready in select.select([relay, onward], [], [], 0.2)[0]:
            if ready is relay:
                datagram, client = relay.recvfrom(4096)
                seen.append(("client", datagram.hex()))
                onward.send(datagram)
            else:
                datagram = onward.recv(4096)
                seen.append(("server", datagram.hex()))
                relay.sendto(datagram, client)
    return seen


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
