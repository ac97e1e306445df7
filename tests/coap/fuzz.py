"""Mutated CoAP messages and DTLS handshakes by chance: `python tests/coap/fuzz.py [--times 100000] [--seed 1]`.

`make fuzz-dtls` lets coverage choose, which does not see into compiled modules; this is for them, too.
"""

import argparse
import asyncio
import faulthandler
import gc
import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from aiocoap import resource

from lwm2m_ml.coap import CoapEndpoint, CoapSettings, FastHandlers, FastRequest, FastResponse, codec
from lwm2m_ml.coap.codec import RawMessage, encode
from lwm2m_ml.coap.numbers import GET, OPTION_FORMATS, POST

KNOWN = sorted(OPTION_FORMATS)
PEERS = 5_000
TOGETHER = 500
"""Messages between two turns of the event loop."""


class Nowhere:
    """Takes what is sent."""

    def sendto(self, datagram: bytes, address: Any) -> None:
        pass

    def is_closing(self) -> bool:
        return False


def message(chance: random.Random) -> bytes:
    """A message that is encoded as it should be, with anything in it."""
    options = sorted(
        (chance.choice([*KNOWN, chance.randrange(65536)]), chance.randbytes(chance.randrange(12)))
        for _ in range(chance.randrange(7))
    )
    code = chance.choice([GET, POST, 5, 6, 7, 0x45, 0x84, chance.randrange(256)])
    token, payload = chance.randbytes(chance.randrange(9)), chance.randbytes(chance.randrange(80))
    return encode(RawMessage(chance.randrange(4), code, chance.randrange(65536), token, options, payload))


def mutated(datagram: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, put in, or cut off."""
    changed = bytearray(datagram)
    for _ in range(chance.randrange(5)):
        at = chance.randrange(len(changed) or 1)
        begin, end, put_in = chance.choice([(at, at + 1, 1), (at, len(changed), 0), (at, at, 3)])
        changed[begin:end] = chance.randbytes(put_in)
    return bytes(changed)


def answer(request: FastRequest) -> FastResponse:
    """A large answer to whoever asks something that can be read."""
    return FastResponse(0x45, b"x" * 3000 + "".join(request.query).encode(), content_format=request.content_format)


async def throw_messages(times: int, chance: random.Random) -> None:
    handlers = FastHandlers()
    handlers.add(GET, "", answer)
    handlers.add(POST, "", answer)
    settings = CoapSettings(assembly_bytes=10_000)
    endpoint = await CoapEndpoint.bind("127.0.0.1", 0, site=resource.Site(), fast_handlers=handlers, settings=settings)
    transport: Any = endpoint._transports["coap"]
    socket, transport._transport = transport._transport, Nowhere()
    for number in range(times):
        transport.datagram_received(mutated(message(chance), chance), ("192.0.2.1", chance.randrange(1, PEERS)))
        if number % TOGETHER == 0:
            await asyncio.sleep(0)
    transport._transport = socket
    await endpoint.close()


def play_handshakes(times: int, chance: random.Random) -> None:
    mutations = _mutations()
    whole = mutations.Whole()
    for _ in range(times):
        mutations.play(chance.randbytes(chance.randrange(4, 300)), whole)
    whole.close()


def _mutations() -> ModuleType:
    path = Path(__file__).parent / "dtls12" / "mutations.py"
    spec = importlib.util.spec_from_file_location("dtls_mutations", path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["dtls_mutations"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    faulthandler.enable()
    chance = random.Random(arguments.seed)
    asyncio.run(throw_messages(arguments.times, chance))
    gc.collect()
    play_handshakes(arguments.times, chance)
    gc.collect()
    print(f"{arguments.times:,} messages and {arguments.times:,} handshakes survived ({codec.__file__})")


if __name__ == "__main__":
    main()
