"""aiocoap as it is, with the least a server can do: `python stock.py PORT`."""

import asyncio
import itertools
import sys

import aiocoap
from aiocoap import resource
from conversation import ask_for, converse

DEVICES = 1_000
PACKAGE = bytes(range(256)) * 400


class Answer(resource.Resource):
    def __init__(self, payload: bytes) -> None:
        super().__init__()
        self.payload = payload

    async def render_get(self, _request):
        return aiocoap.Message(payload=self.payload)


class Registrations(resource.Resource):
    """Reads the query; keeps nothing but addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = itertools.count()
        self.remotes = {}

    async def render_post(self, request):
        query = dict(part.partition("=")[::2] for part in request.opt.uri_query)
        self.remotes[query["ep"]] = request.remote
        return aiocoap.Message(code=aiocoap.CREATED, location_path=("rd", str(next(self.numbers) % DEVICES)))


class Changed(resource.Resource):
    async def render_post(self, _request):
        return aiocoap.Message(code=aiocoap.CHANGED)


async def main(port: int) -> None:
    registrations = Registrations()
    root = resource.Site()
    root.add_resource(["hello"], Answer(b"hello"))
    root.add_resource(["package"], Answer(PACKAGE))
    root.add_resource(["rd"], registrations)
    changed = Changed()
    for number in range(DEVICES):
        root.add_resource(["rd", str(number)], changed)
    root.add_resource(["dp"], changed)
    context = await aiocoap.Context.create_server_context(root, bind=("127.0.0.1", port), transports=["udp6"])
    observations = []

    def request(remote, code, payload=b"", **options):
        message = aiocoap.Message(code=code, payload=payload, uri_path=("42771", "0"), **options)
        message.remote = remote
        return context.request(message)

    async def observe(_seconds):
        requests = [request(remote, aiocoap.GET, observe=0) for remote in registrations.remotes.values()]
        for one in requests:
            one.observation.register_callback(lambda _notification: None)
        # Their devices begin to notify before all first answers have been worked off: nobody waits for those.
        observations.append(asyncio.gather(*(one.response for one in requests), return_exceptions=True))
        return {"observed": len(requests)}

    async def read(seconds):
        remotes = list(registrations.remotes.values())
        return await ask_for(seconds, remotes, lambda remote: request(remote, aiocoap.GET).response)

    async def read_composite(seconds):
        remotes = list(registrations.remotes.values())
        return await ask_for(seconds, remotes, lambda remote: request(remote, aiocoap.FETCH, b"\x80").response)

    orders = {"observe": observe, "read": read, "read composite": read_composite}
    await converse({"hello": "hello", "package": "package"}, orders)
    await context.shutdown()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
