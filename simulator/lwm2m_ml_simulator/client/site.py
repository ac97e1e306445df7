"""The device management interface of a client: CoAP requests to operations on its objects, and their answers."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Protocol

import structlog
from aiocoap import Code, Message, Unreliable
from aiocoap.pipe import Pipe

from lwm2m_ml.coap.remote import Remote
from lwm2m_ml.errors import InvalidInputError, Lwm2mMlError
from lwm2m_ml.lwm2m.attributes import NotificationAttributes
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.create import names_instance
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.discover import Discovered, format_discover
from lwm2m_ml.lwm2m.execute_arguments import parse_arguments
from lwm2m_ml.lwm2m.path import MAX_ID, ROOT, ObjectPath
from lwm2m_ml.lwm2m.versions import Version
from lwm2m_ml_simulator.client.bootstrap_interface import BootstrapInterface
from lwm2m_ml_simulator.client.notification_rules import AttributeStore
from lwm2m_ml_simulator.client.observations import Observation, Observations
from lwm2m_ml_simulator.client.payloads import (
    COMPOSITE_FORMATS,
    answer_format,
    composite_answer_format,
    content,
    read_payload,
    request_path,
    value_formats,
)
from lwm2m_ml_simulator.client.tree import ObjectTree
from lwm2m_ml_simulator.errors import IllegalTransition
from lwm2m_ml_simulator.memory.flash import PowerCut
from lwm2m_ml_simulator.objects.base import OperationRefused

_log = structlog.get_logger(__name__)
_WHOLE_DEPTH = 3
_COMPOSITE_SINCE = Version(1, 1)
_ATTRIBUTES_OF_OBSERVATIONS_SINCE = Version(1, 2)


class Behind(Protocol):
    """A device behind a gateway."""

    async def answer(self, request: Message) -> Message:
        """Carry out a request whose path begins with the device's prefix."""


class DeviceSite:
    """Answers what an LwM2M server asks of a client (Core TS §6.3 and §6.4)."""

    def __init__(
        self,
        tree: ObjectTree,
        catalogue: Catalogue,
        attributes: AttributeStore,
        *,
        endpoint: str,
        version: Callable[[], str] = lambda: "1.1",
        confirmable: Callable[[], bool] = lambda: True,
        on_instances_changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.tree = tree
        self.behind: Mapping[str, Behind] = {}
        """Devices behind this one, a gateway, by prefix."""
        self._spoken = version
        self._confirmable = confirmable
        self._bootstrap: tuple[Remote, BootstrapInterface] | None = None
        self.observations = Observations(tree, attributes)
        self._catalogue = catalogue
        self._on_instances_changed = on_instances_changed
        self._log = _log.bind(endpoint=endpoint)
        self._operations: dict[Code, Callable[[Message], Awaitable[Message]]] = {
            Code.GET: self._get,
            Code.PUT: self._put,
            Code.POST: self._post,
            Code.DELETE: self._delete,
            Code.FETCH: self._fetch,
            Code.iPATCH: self._ipatch,
        }

    async def render_to_pipe(self, pipe: Pipe) -> None:
        """Answer one request; an observation keeps answering until the server loses interest."""
        try:
            if self._bootstrap is not None and pipe.request.remote is self._bootstrap[0]:
                pipe.add_response(await self._bootstrap[1].answer(pipe.request), is_last=True)
            elif self._observes(pipe.request):
                await self._observe(pipe)
            else:
                pipe.add_response(await self.answer(pipe.request), is_last=True)
        except PowerCut:
            # A device without power answers nothing; its endpoint is closed in a moment and this task with it.
            await asyncio.get_running_loop().create_future()

    @contextlib.contextmanager
    def bootstrapped_by(self, server: Remote, interface: BootstrapInterface) -> Iterator[None]:
        """Let what this server asks be answered by the bootstrap interface, for as long as the context lasts."""
        self._bootstrap = (server, interface)
        try:
            yield
        finally:
            self._bootstrap = None

    async def answer(self, request: Message) -> Message:
        """Carry out one request and return its answer."""
        if request.opt.uri_path and request.opt.uri_path[0] in self.behind:
            return await self.behind[request.opt.uri_path[0]].answer(request)
        operation = self._operations.get(request.code)
        try:
            if operation is None:
                raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"{request.code} means nothing to an LwM2M client")
            return await operation(request)
        except OperationRefused as refusal:
            return Message(code=refusal.code, payload=refusal.reason.encode())
        except IllegalTransition as refusal:
            return Message(code=Code.METHOD_NOT_ALLOWED, payload=refusal.message.encode())
        except (InvalidInputError, TypeError, ValueError) as error:
            return Message(code=Code.BAD_REQUEST, payload=str(error).encode()[:200])
        except Lwm2mMlError as error:
            self._log.warning("operation_failed", path=request.opt.uri_path, reason=str(error))
            return Message(code=Code.INTERNAL_SERVER_ERROR, payload=str(error).encode()[:200])

    def _observes(self, request: Message) -> bool:
        """Whether a request begins an observation; nobody observes what is behind a gateway."""
        behind = bool(request.opt.uri_path) and request.opt.uri_path[0] in self.behind
        return request.opt.observe == 0 and request.code in {Code.GET, Code.FETCH} and not behind

    async def _observe(self, pipe: Pipe) -> None:
        request = pipe.request
        response = await self.answer(request)
        if not response.code.is_successful() or self.observations.is_full:
            pipe.add_response(response, is_last=True)
            return
        paths = (request_path(request),) if request.code is Code.GET else self._composite_paths(request)
        try:
            asked = self._asked_attributes(paths, request.opt.uri_query)
        except InvalidInputError as error:
            pipe.add_response(Message(code=Code.BAD_REQUEST, payload=error.message.encode()), is_last=True)
            return
        number = 0
        with self.observations.add(paths, asked) as observation:
            while True:
                response.opt.observe = number
                pipe.add_response(response, is_last=False)
                await observation.until_due()
                number += 1
                response = await self._notification(request, observation)
                if not response.code.is_successful():
                    pipe.add_response(response, is_last=True)
                    return

    def _asked_attributes(self, paths: Sequence[ObjectPath], query: Sequence[str]) -> NotificationAttributes:
        """Attributes of the observation itself, from 1.2 on."""
        if not query or Version.parse(self._spoken()) < _ATTRIBUTES_OF_OBSERVATIONS_SINCE:
            return NotificationAttributes()
        return self.observations.attributes.parse(paths[0] if len(paths) == 1 else ROOT, query).set

    async def _notification(self, request: Message, observation: Observation) -> Message:
        """The answer as it is now; where hqmax asks for it, also what it was since the last notification."""
        response = await self.answer(request)
        history = tuple(observation.history)
        observation.history.clear()
        number = response.opt.content_format
        content_format = ContentFormat.of(int(number)) if number is not None else None
        if len(history) > 1 and content_format is not None and content_format.timestamped:
            base = request_path(request)
            response = content(history, content_format, base, self._catalogue)
        confirmable = observation.attributes.confirmable
        if confirmable is False or (confirmable is None and not self._confirmable()):
            response.transport_tuning = Unreliable()
        return response

    async def _get(self, request: Message) -> Message:
        path, accept = request_path(request), request.opt.accept
        if accept == ContentFormat.LINK:
            return self._discover(path, _depth(request))
        records = self.tree.read(path)
        wanted = answer_format(int(accept) if accept is not None else None, path, records, self._formats)
        return content(records, wanted, path, self._catalogue)

    def _discover(self, path: ObjectPath, depth: int) -> Message:
        items = [
            Discovered(found, self.observations.attributes.assigned(found), dimension, self._version(found))
            for found, dimension in self.tree.discover(path)
            if found.level <= path.level + depth
        ]
        return Message(code=Code.CONTENT, payload=format_discover(items), content_format=int(ContentFormat.LINK))

    def _version(self, path: ObjectPath) -> str | None:
        return self.tree.version(path.object_id) if path.level == 1 and path.object_id is not None else None

    async def _put(self, request: Message) -> Message:
        path = request_path(request)
        if request.opt.uri_query and not request.payload and request.opt.content_format is None:
            self.tree.discover(path.ancestor(3))  # 4.04 for what does not exist
            self.observations.write_attributes(path, request.opt.uri_query)
            return Message(code=Code.CHANGED)
        return await self._write(path, request)

    async def _post(self, request: Message) -> Message:
        path = request_path(request)
        if path.level == 3:
            await self.tree.execute(path, parse_arguments(request.payload))
            return Message(code=Code.CHANGED)
        if path.level == 1 and path.object_id is not None:
            return await self._create(path, request)
        return await self._write(path, request)

    async def _write(self, path: ObjectPath, request: Message) -> Message:
        if path.level < 2:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"{path} cannot be written as a whole")
        records = read_payload(request, path, self._catalogue, self._formats)
        await self.tree.write(path, records, replace=request.code is Code.PUT)
        self.notify(path)
        return Message(code=Code.CHANGED)

    async def _create(self, path: ObjectPath, request: Message) -> Message:
        assert path.object_id is not None  # noqa: S101 - level 1
        named = names_instance(request.payload, request.opt.content_format)
        base = path if named else path.child(self._free_instance(path.object_id))
        records = read_payload(request, base, self._catalogue, self._formats) if request.payload else ()
        instance = await self.tree.create(path.object_id, records)
        self._on_instances_changed()
        created = Message(code=Code.CREATED)
        if not named:
            created.opt.location_path = (str(path.object_id), str(instance.instance_id))
        return created

    def _free_instance(self, object_id: int) -> int:
        taken = {instance.instance_id for instance in self.tree.instances(object_id)}
        return next(number for number in range(MAX_ID) if number not in taken)

    async def _delete(self, request: Message) -> Message:
        self.tree.delete(request_path(request))
        self._on_instances_changed()
        return Message(code=Code.DELETED)

    @property
    def _formats(self) -> frozenset[ContentFormat]:
        return value_formats(self._spoken())

    def _refuse_composite(self) -> None:
        if Version.parse(self._spoken()) < _COMPOSITE_SINCE:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, "LwM2M 1.0 has no composite operations")

    async def _fetch(self, request: Message) -> Message:
        self._refuse_composite()
        records = self.tree.read_readable(self._composite_paths(request))
        return content(records, composite_answer_format(request), ROOT, self._catalogue)

    async def _ipatch(self, request: Message) -> Message:
        self._refuse_composite()
        records = read_payload(request, ROOT, self._catalogue, COMPOSITE_FORMATS)
        await self.tree.write_all(records)
        for record in records:
            self.notify(record.path)
        return Message(code=Code.CHANGED)

    def _composite_paths(self, request: Message) -> tuple[ObjectPath, ...]:
        return tuple(record.path for record in read_payload(request, ROOT, self._catalogue, COMPOSITE_FORMATS))

    def notify(self, path: ObjectPath) -> None:
        """Say that the value at `path` changed."""
        self.observations.changed(path)


def _depth(request: Message) -> int:
    """How far below its path a Discover looks (V1_2 §6.3.2)."""
    given = [item.removeprefix("depth=") for item in request.opt.uri_query if item.startswith("depth=")]
    if not given:
        return _WHOLE_DEPTH
    if given[0] not in {"0", "1", "2", "3"}:
        raise OperationRefused(Code.BAD_REQUEST, "depth is a number from 0 to 3")
    return int(given[0])
