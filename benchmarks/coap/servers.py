"""The servers under load: `python servers.py KIND PORT`, KIND one of stock, ours, ours-uvloop."""

import asyncio
import sys

import aiocoap
from aiocoap import resource

from lwm2m_ml.coap import CoapEndpoint, CoapSettings, FastAnswer, FastHandlers, FastRequest, FastResponse
from lwm2m_ml.coap.tuning import prepare_for_load

BODY = bytes(range(256)) * 400


class Hello(resource.Resource):
    async def render_get(self, _request):
        return aiocoap.Message(payload=b"hello")


class Body(resource.Resource):
    async def render_get(self, _request):
        return aiocoap.Message(payload=BODY)


class Registrations(resource.Resource):
    async def render_post(self, request):
        dict(part.partition("=")[::2] for part in request.opt.uri_query)
        return aiocoap.Message(code=aiocoap.CREATED, location_path=("rd", "abcdef"))


def site() -> resource.Site:
    root = resource.Site()
    root.add_resource(["hello"], Hello())
    root.add_resource(["body"], Body())
    root.add_resource(["rd"], Registrations())
    return root


def hello(_request: FastRequest) -> FastAnswer:
    return FastResponse(0x45, b"hello")


def body(_request: FastRequest) -> FastAnswer:
    return FastResponse(0x45, BODY, etag=b"fixed")


def register(request: FastRequest) -> FastAnswer:
    dict(part.partition("=")[::2] for part in request.query)
    return FastResponse(0x41, location_path=("rd", "abcdef"))


async def ours(port: int) -> None:
    handlers = FastHandlers()
    handlers.add(aiocoap.GET, "hello", hello)
    handlers.add(aiocoap.GET, "body", body)
    handlers.add(aiocoap.POST, "rd", register)
    # The load generator neither knows Echo nor proves itself; a registered device does.
    settings = CoapSettings(amplification_factor=0)
    async with await CoapEndpoint.bind("127.0.0.1", port, site=site(), fast_handlers=handlers, settings=settings):
        await serve()


async def slow_path(port: int) -> None:
    settings = CoapSettings(amplification_factor=0)
    async with await CoapEndpoint.bind("127.0.0.1", port, site=site(), settings=settings):
        await serve()


async def stock(port: int) -> None:
    context = await aiocoap.Context.create_server_context(site(), bind=("127.0.0.1", port), transports=["udp6"])
    await serve()
    await context.shutdown()


async def serve() -> None:
    prepare_for_load()
    print("ready", flush=True)
    await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    kind, port = sys.argv[1], int(sys.argv[2])
    if kind == "ours-uvloop":
        import uvloop

        uvloop.run(ours(port))
    else:
        asyncio.run({"stock": stock, "ours": ours, "ours-slow-path": slow_path}[kind](port))
