"""What a bootstrap server may do with a client (Core TS §6.1.7): Discover, Read, Write, Delete, Finish."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aiocoap import Code, Message

from lwm2m_ml.errors import InvalidInputError
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.discover import Discovered, format_discover
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml_simulator.client.accounts import (
    FACTORIES,
    bootstrap_account,
    provision,
    securities,
    server_accounts,
    servers_of,
)
from lwm2m_ml_simulator.client.payloads import VALUE_FORMATS, answer_format, content, read_payload, request_path
from lwm2m_ml_simulator.client.tree import ObjectTree
from lwm2m_ml_simulator.objects.base import ObjectInstance, OperationRefused
from lwm2m_ml_simulator.objects.security import Security

_READABLE = frozenset({1, 2})
_FINISH_PATH = ("bs",)


class BootstrapInterface:
    """Answers the bootstrap server; `finished` is set by a Bootstrap-Finish that found everything in place."""

    def __init__(self, tree: ObjectTree, catalogue: Catalogue, *, version: str) -> None:
        self.finished = asyncio.Event()
        self._tree = tree
        self._catalogue = catalogue
        self._version = version
        self._operations: dict[Code, Callable[[Message], Awaitable[Message]]] = {
            Code.GET: self._get,
            Code.PUT: self._write,
            Code.DELETE: self._delete,
            Code.POST: self._finish,
        }

    async def answer(self, request: Message) -> Message:
        """Carry out one request."""
        operation = self._operations.get(request.code)
        try:
            if operation is None:
                raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"{request.code} means nothing in a bootstrap")
            return await operation(request)
        except OperationRefused as refusal:
            return Message(code=refusal.code, payload=refusal.reason.encode())
        except InvalidInputError as error:
            return Message(code=Code.BAD_REQUEST, payload=error.message.encode()[:200])

    async def _get(self, request: Message) -> Message:
        path, accept = request_path(request), request.opt.accept
        if accept == ContentFormat.LINK:
            return self._discover(path)
        if path.object_id not in _READABLE or path.level > 2:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"{path} cannot be read in a bootstrap")
        records = self._tree.read(path)
        wanted = answer_format(int(accept) if accept is not None else None, path, records, VALUE_FORMATS)
        return content(records, wanted, path, self._catalogue)

    def _discover(self, path: ObjectPath) -> Message:
        """Bootstrap-Discover (§6.1.7.3): objects and instances, with what tells accounts apart."""
        if path.level > 1:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"{path} is no object")
        object_ids = self._tree.object_ids() if path == ROOT else (path.object_id or 0,)
        if path != ROOT and path.object_id not in self._tree.object_ids():
            raise OperationRefused(Code.NOT_FOUND, f"{path} does not exist")
        items = [Discovered(ROOT, protocol_version=self._version)]
        for object_id in object_ids:
            instances = self._tree.instances(object_id)
            items += [self._discovered(instance) for instance in instances] or [Discovered(ObjectPath(object_id))]
        return Message(code=Code.CONTENT, payload=format_discover(items), content_format=int(ContentFormat.LINK))

    def _discovered(self, instance: ObjectInstance) -> Discovered:
        path = ObjectPath(instance.object_id, instance.instance_id)
        if isinstance(instance, Security):
            return Discovered(path, server_id=instance.short_server_id, server_uri=instance.server_uri)
        server = next((server for server in servers_of(self._tree) if server is instance), None)
        return Discovered(path, server_id=server.short_server_id if server is not None else None)

    async def _write(self, request: Message) -> Message:
        path = request_path(request)
        if path.level == 0:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, "the root cannot be written")
        records = read_payload(request, path, self._catalogue, VALUE_FORMATS)
        self._check(records)
        if path.level == 2 and path.object_id in FACTORIES:  # §6.1.7.5: an instance is replaced as a whole.
            self._remove([self._tree.find(path)])
        await provision(self._tree, records)
        return Message(code=Code.CHANGED)

    def _check(self, records: Sequence[Record]) -> None:
        for record in records:
            instance = record.path.ancestor(2)
            known = self._tree.find(instance) is not None or record.path.object_id in FACTORIES
            if not known and record.path.object_id not in self._tree.creatable():
                raise OperationRefused(Code.NOT_FOUND, f"{instance} does not exist")

    async def _delete(self, request: Message) -> Message:
        self.delete(request_path(request))
        return Message(code=Code.DELETED)

    def delete(self, path: ObjectPath) -> None:
        """Bootstrap-Delete (§6.1.7.4); the account of the bootstrap server itself, and Device, stay."""
        if path.level > 2:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, f"{path} is no object and no instance")
        if path.level == 2 and self._tree.find(path) is None:
            raise OperationRefused(Code.NOT_FOUND, f"{path} does not exist")
        self._remove(
            [
                instance
                for object_id in self._tree.object_ids()
                for instance in self._tree.instances(object_id)
                if path.contains(ObjectPath(object_id, instance.instance_id))
            ]
        )

    def _remove(self, instances: Sequence[ObjectInstance | None]) -> None:
        own = bootstrap_account(self._tree)
        oscore = own.oscore_instance if own is not None else None
        for instance in instances:
            if instance is None or instance is own or (instance.object_id, instance.instance_id) == (21, oscore):
                continue
            if instance.object_id in FACTORIES or instance.object_id in self._tree.creatable():
                self._tree.remove(instance)

    async def _finish(self, request: Message) -> Message:
        if tuple(request.opt.uri_path) != _FINISH_PATH:
            raise OperationRefused(Code.METHOD_NOT_ALLOWED, "a bootstrap server posts to /bs only")
        self.check_accounts()
        self.finished.set()
        return Message(code=Code.CHANGED)

    def check_accounts(self) -> None:
        """Refuse with 4.06 what cannot be lived with: no server, or a server without its half in object 1."""
        wanted = [account for account in securities(self._tree) if not account.for_bootstrap]
        if not wanted or len(server_accounts(self._tree)) != len(wanted):
            raise OperationRefused(Code.NOT_ACCEPTABLE, "an account lacks its server, or there is none")
