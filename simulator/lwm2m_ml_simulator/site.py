"""The device management interface of a client: CoAP requests to operations on its objects, and their answers."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from aiocoap import Code, Message
from aiocoap.pipe import Pipe

from lwm2m_ml.errors import InvalidInputError, Lwm2mMlError
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.discover import Discovered, format_discover
from lwm2m_ml.lwm2m.execute_arguments import parse_arguments
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml_simulator.errors import IllegalTransition
from lwm2m_ml_simulator.flash import PowerCut
from lwm2m_ml_simulator.notification_rules import AttributeStore
from lwm2m_ml_simulator.objects.base import OperationRefused
from lwm2m_ml_simulator.observations import Observations
from lwm2m_ml_simulator.payloads import answer_format, composite_answer_format, content, read_payload
from lwm2m_ml_simulator.tree import ObjectTree

_log = structlog.get_logger(__name__)


class DeviceSite:
    """Answers what an LwM2M server asks of a client (Core TS §6.3 and §6.4)."""

    def __init__(
        self,
        tree: ObjectTree,
        catalogue: Catalogue,
        attributes: AttributeStore,
        *,
        endpoint: str,
        on_instances_changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.tree = tree
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
            if pipe.request.opt.observe == 0 and pipe.request.code in {Code.GET, Code.FETCH}:
                await self._observe(pipe)
            else:
                pipe.add_response(await self.answer(pipe.request), is_last=True)
        except PowerCut:
            # A device without power answers nothing; its endpoint is closed in a moment and this task with it.
            await asyncio.get_running_loop().create_future()

    async def answer(self, request: Message) -> Message:
        """Carry out one request and return its answer."""
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

    async def _observe(self, pipe: Pipe) -> None:
        request = pipe.request
        response = await self.answer(request)
        if not response.code.is_successful() or self.observations.is_full:
            pipe.add_response(response, is_last=True)
            return
        paths = (_path(request),) if request.code is Code.GET else self._composite_paths(request)
        number = 0
        with self.observations.add(paths) as observation:
            while True:
                response.opt.observe = number
                pipe.add_response(response, is_last=False)
                await observation.until_due()
                number += 1
                response = await self.answer(request)
                if not response.code.is_successful():
                    pipe.add_response(response, is_last=True)
                    return

    async def _get(self, request: Message) -> Message:
        path, accept = _path(request), request.opt.accept
        if accept == ContentFormat.LINK:
            return self._discover(path)
        records = self.tree.read(path)
        wanted = answer_format(int(accept) if accept is not None else None, path, records)
        return content(records, wanted, path, self._catalogue)

    def _discover(self, path: ObjectPath) -> Message:
        items = [
            Discovered(found, self.observations.attributes.assigned(found), dimension, self._version(found))
            for found, dimension in self.tree.discover(path)
        ]
        return Message(code=Code.CONTENT, payload=format_discover(items), content_format=int(ContentFormat.LINK))

    def _version(self, path: ObjectPath) -> str | None:
        return self.tree.version(path.object_id) if path.level == 1 and path.object_id is not None else None

    async def _put(self, request: Message) -> Message:
        path = _path(request)
        if request.opt.uri_query and not request.payload and request.opt.content_format is None:
            self.tree.discover(path.ancestor(3))  # 4.04 for what does not exist
            self.observations.write_attributes(path, request.opt.uri_query)
            return Message(code=Code.CHANGED)
        return await self._write(path, request)

    async def _post(self, request: Message) -> Message:
        path = _path(request)
        if path.level == 3:
            await self.tree.execute(path, parse_arguments(request.payload))
            return Message(code=Code.CHANGED)
        if path.level == 1 and path.object_id is not None:
            return await self._create(path, request)
        return await self._write(path, request)

    async def _write(self, path: ObjectPath, request: Message) -> Message:
        if path.level < 2:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"{path} cannot be written as a whole")
        records = read_payload(request, path, self._catalogue)
        await self.tree.write(path, records)
        self.notify(path)
        return Message(code=Code.CHANGED)

    async def _create(self, path: ObjectPath, request: Message) -> Message:
        assert path.object_id is not None  # noqa: S101 - level 1
        records = read_payload(request, path, self._catalogue) if request.payload else ()
        asked_for_id = any(record.path.instance_id is not None for record in records)
        instance = await self.tree.create(path.object_id, records)
        self._on_instances_changed()
        created = Message(code=Code.CREATED)
        if not asked_for_id:
            created.opt.location_path = (str(path.object_id), str(instance.instance_id))
        return created

    async def _delete(self, request: Message) -> Message:
        self.tree.delete(_path(request))
        self._on_instances_changed()
        return Message(code=Code.DELETED)

    async def _fetch(self, request: Message) -> Message:
        records = self.tree.read_readable(self._composite_paths(request))
        return content(records, composite_answer_format(request), ROOT, self._catalogue)

    async def _ipatch(self, request: Message) -> Message:
        records = read_payload(request, ROOT, self._catalogue)
        await self.tree.write_all(records)
        for record in records:
            self.notify(record.path)
        return Message(code=Code.CHANGED)

    def _composite_paths(self, request: Message) -> tuple[ObjectPath, ...]:
        return tuple(record.path for record in read_payload(request, ROOT, self._catalogue))

    def notify(self, path: ObjectPath) -> None:
        """Say that the value at `path` changed."""
        self.observations.changed(path)


def _path(request: Message) -> ObjectPath:
    segments = tuple(segment for segment in request.opt.uri_path if segment)
    if any(not (segment.isascii() and segment.isdigit()) for segment in segments):
        raise OperationRefused(Code.NOT_FOUND, "no such path")
    return ObjectPath.parse("/" + "/".join(segments))
