"""The accounts of a client: instances of objects 0, 1, 2 and 21, made, found, kept over reboots, and given up."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from lwm2m_ml.lwm2m.bootstrap import Account
from lwm2m_ml.lwm2m.codecs import decode, encode
from lwm2m_ml.lwm2m.content_formats import ContentFormat
from lwm2m_ml.lwm2m.definitions import Catalogue
from lwm2m_ml.lwm2m.path import ROOT, ObjectPath
from lwm2m_ml.lwm2m.record import Record
from lwm2m_ml.lwm2m.value import ObjectLink
from lwm2m_ml_simulator.client.tree import ObjectTree
from lwm2m_ml_simulator.objects.base import ObjectInstance
from lwm2m_ml_simulator.objects.security import AccessControl, Oscore, Security
from lwm2m_ml_simulator.objects.server import Server

_OSCORE_LINK = 17


def _server(instance_id: int) -> Server:
    return Server(lifetime=86_400, instance_id=instance_id)


FACTORIES: dict[int, Callable[[int], ObjectInstance]] = {0: Security, 1: _server, 2: AccessControl, 21: Oscore}
"""The objects that belong to bootstrap, and how an instance of each is made."""


class AccountStore(Protocol):
    """Keeps accounts while the device is without power."""

    def load(self) -> bytes | None:
        """Return what was kept, None when nothing was."""

    def save(self, accounts: bytes) -> None:
        """Keep this instead."""


class NoAccountStore:
    """Forgets."""

    def load(self) -> bytes | None:
        """Return nothing."""
        return None

    def save(self, accounts: bytes) -> None:
        """Keep nothing."""


def account_instances(account: Account, oscore: Oscore | None = None) -> tuple[ObjectInstance, ...]:
    """Return the object instances of a factory's account; `oscore` are the keys that protect its messages."""
    security = Security.of(account)
    keys: tuple[ObjectInstance, ...] = ()
    if oscore is not None:
        security.values[_OSCORE_LINK] = ObjectLink(Oscore.object_id, oscore.instance_id)
        keys = (oscore,)
    if account.short_server_id is None:
        return security, *keys
    server = Server(lifetime=account.lifetime, binding=account.binding, short_server_id=account.short_server_id)
    server.store_notifications = account.store_notifications
    server.send_muted = bool(account.mute_send)
    return security, server, *keys


def securities(tree: ObjectTree) -> tuple[Security, ...]:
    """Return the instances of object 0."""
    return tuple(instance for instance in tree.instances(Security.object_id) if isinstance(instance, Security))


def bootstrap_account(tree: ObjectTree) -> Security | None:
    """Return the account of the bootstrap server, if there is one."""
    return next((account for account in securities(tree) if account.for_bootstrap), None)


def server_accounts(tree: ObjectTree) -> tuple[tuple[Security, Server], ...]:
    """Return the accounts of the servers to register at, each with its instance of object 1."""
    servers = {server.short_server_id: server for server in servers_of(tree)}
    return tuple(
        (account, servers[account.short_server_id])
        for account in securities(tree)
        if not account.for_bootstrap and account.short_server_id in servers
    )


def servers_of(tree: ObjectTree) -> tuple[Server, ...]:
    """Return the instances of object 1."""
    return tuple(instance for instance in tree.instances(Server.object_id) if isinstance(instance, Server))


def account_records(tree: ObjectTree) -> tuple[Record, ...]:
    """Return all values of the accounts, secrets included."""
    records: list[Record] = []
    for object_id in FACTORIES:
        for instance in tree.instances(object_id):
            records.extend(tree.instance_records(instance))
    return tuple(records)


def dump_accounts(tree: ObjectTree, catalogue: Catalogue) -> bytes:
    """Return the accounts as they are kept."""
    return encode(account_records(tree), int(ContentFormat.SENML_CBOR), ROOT, catalogue)


async def load_accounts(tree: ObjectTree, kept: bytes, catalogue: Catalogue) -> None:
    """Replace the accounts by those that `dump_accounts` wrote."""
    records = decode(kept, int(ContentFormat.SENML_CBOR), ROOT, catalogue)
    for object_id in FACTORIES:
        for instance in tree.instances(object_id):
            tree.remove(instance)
    await provision(tree, records)


async def provision(tree: ObjectTree, records: Iterable[Record]) -> None:
    """Write values as the bootstrap server may: instances that do not exist are made."""
    for path, values in tree.grouped(tuple(records)).items():
        instance = tree.find(path.ancestor(2)) or _made(tree, path)
        if instance is not None and path.resource_id is not None:
            await instance.provision(path.resource_id, values)


def _made(tree: ObjectTree, path: ObjectPath) -> ObjectInstance | None:
    if path.object_id is None or path.instance_id is None:
        return None
    instance = tree.make(path.object_id, path.instance_id, FACTORIES)
    if instance is not None:
        tree.add(instance)
    return instance


def replaced(tree: ObjectTree, instances: Sequence[ObjectInstance]) -> None:
    """Put back accounts as they were before a bootstrap that failed."""
    for object_id in FACTORIES:
        for instance in tree.instances(object_id):
            tree.remove(instance)
    for instance in instances:
        tree.add(instance)
