"""One device behind a gateway: asked in a server's name, and a copy of what it puts into object 19."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from aiocoap import Code, Message

from lwm2m_ml.coap.errors import CoapError
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import Value
from lwm2m_ml_simulator.client.tree import ObjectTree
from lwm2m_ml_simulator.device.object_ids import GATEWAY
from lwm2m_ml_simulator.objects.base import ObjectInstance
from lwm2m_ml_simulator.objects.binary_app_data import BinaryAppData
from lwm2m_ml_simulator.objects.stored import StoredInstance

DEVICE_ID, PREFIX, DEVICE_OBJECTS = 0, 1, 3


class GatewayEntry(StoredInstance):
    """An instance of object 25."""

    object_id = GATEWAY


@dataclass(slots=True)
class EndDevice:
    """`ask` sends a request to the device; it raises CoapError. `tree` is the copy."""

    number: int
    device_id: str
    prefix: str
    ask: Callable[[Message], Awaitable[Message]]
    objects: str = ""
    tree: ObjectTree = field(default_factory=ObjectTree)

    def entry(self) -> ObjectInstance:
        """Return the device as object 25 tells of it."""
        return GatewayEntry(self.number, {DEVICE_ID: self.device_id, PREFIX: self.prefix, DEVICE_OBJECTS: self.objects})

    async def answer(self, request: Message) -> Message:
        """Pass a request on without its prefix, and the answer back; 5.04 when none comes."""
        path, query = request.opt.uri_path[1:], request.opt.uri_query
        passed = Message(code=request.code, uri_path=path, uri_query=query, payload=request.payload)
        if request.opt.content_format is not None:
            passed.opt.content_format = request.opt.content_format
        if request.opt.accept is not None:
            passed.opt.accept = request.opt.accept
        try:
            answer = await self.ask(passed)
        except CoapError as error:
            return Message(code=Code.GATEWAY_TIMEOUT, payload=str(error).encode()[:200])
        back = Message(code=answer.code, payload=answer.payload)
        if answer.opt.content_format is not None:
            back.opt.content_format = answer.opt.content_format
        return back

    def keep(self, instance: int, records: Sequence[Record]) -> None:
        """Keep a copy of an instance of object 19."""
        values: dict[int, Value | Mapping[int, Value]] = {}
        for record in records:
            if record.path.resource_id is None or record.value is None:
                continue
            inner = record.path.resource_instance_id
            values[record.path.resource_id] = record.value if inner is None else {inner: record.value}
        self.tree.add(BinaryAppData(instance, values))
