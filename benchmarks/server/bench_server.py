"""CoAP and LwM2M servers side by side in one run: `python benchmarks/server/bench_server.py [--runs 5] [--seconds 2]`.

Stock aiocoap, libcoap's example server where it is installed (Debian: libcoap3-bin), Eclipse Leshan's where a JDK and
Maven are, and our whole server, alone and with its optional parts. The load generators are compiled with zig.
"""

import argparse
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from datetime import date
from pathlib import Path

import compiled
from loads import LOADS, Figures, Load, Programs, secure_devices_ask
from processes import REGISTRAR, compile_load, leshan_libraries, libcoap, running
from report import Results, machine, table, write_into


def kinds() -> list[str]:
    found = ["stock", "ours", "ours batches", "cid"]
    if importlib.util.find_spec("uvloop"):
        found += ["ours uvloop", "ours uvloop batches", "cid uvloop batches"]
        try:
            compiled.directory()
            found += ["ours uvloop batches compiled", "cid uvloop batches compiled"]
        except compiled.CannotCompile as reason:
            say(f"The compiled build is left out: {reason}")
    else:
        say("uvloop is not installed: pip install 'lwm2m-ml[fast]'")
    if libcoap():
        found.append("libcoap")
    else:
        say("libcoap's coap-server is not installed (Debian: libcoap3-bin): its rows are left out")
    if shutil.which("coap-server-openssl"):
        found.append("libcoap-openssl")
    try:
        leshan_libraries.classpath([REGISTRAR])
        found.append("leshan")
    except leshan_libraries.LeshanUnavailable as unavailable:
        say(f"Leshan is left out: {unavailable}")
    return found


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(programs: Programs, chosen: list[str], loads: list[Load], runs: int, seconds: float) -> Results:
    results: Results = {}
    for number in range(runs):
        for kind in chosen:
            handshakes: Figures = {}
            for load in loads:
                if kind.split()[0] not in load.kinds:
                    continue
                if load.put_on is secure_devices_ask and handshakes:
                    got = handshakes
                else:
                    with running(kind) as server:
                        try:
                            got = load.put_on(programs, server, seconds, load)
                        except (subprocess.CalledProcessError, ValueError) as error:
                            say(f"{load.name}, {kind}: no figure in this run ({error})\n{server.complaints()}")
                            continue
                    if load.put_on is secure_devices_ask:
                        handshakes = got
                if got:
                    results.setdefault(load.name, {}).setdefault(kind, []).append(got)
            say(f"run {number + 1} of {runs}: {kind}")
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--kinds", help="comma-separated, like 'stock,ours'")
    parser.add_argument("--loads", help="only loads whose name contains this text")
    parser.add_argument("--json", type=Path, help="write every figure here too")
    parser.add_argument("--write", type=Path, help="put the table into this document, such as docs/benchmarks.md")
    arguments = parser.parse_args()
    where = machine()
    chosen = arguments.kinds.split(",") if arguments.kinds else kinds()
    loads = [load for load in LOADS if (arguments.loads or "") in load.name]
    with tempfile.TemporaryDirectory() as directory:
        secure = compile_load("dtls_load", Path(directory), "-lssl", "-lcrypto")
        if secure is None:
            say("OpenSSL's headers are not installed (Debian: libssl-dev): DTLS is left out")
        programs = Programs(compile_load("load", Path(directory)), secure)
        results = measure(programs, chosen, loads, arguments.runs, arguments.seconds)
    command = f'`make bench-server ARGS="{" ".join(sys.argv[1:])}"`'
    text = f"{table(results, loads)}\n\nMeasured on {date.today()} by {command}: {where}."
    print(text)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))
    if arguments.write:
        write_into(arguments.write, "results", text)


if __name__ == "__main__":
    main()
