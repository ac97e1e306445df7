"""`--dry-run`: ask the server what there is, but say what would be changed instead of changing it."""

from typing import TYPE_CHECKING, Any, TypeVar

import typer

from lwm2m_ml.cli.output import print_json
from lwm2m_ml.client.address import API_ROOT
from lwm2m_ml.client.client import Client

if TYPE_CHECKING:
    from lwm2m_ml.client.call import Call

Answer = TypeVar("Answer")

SECRETS = frozenset({"key", "master_secret", "records"})
"""Members of requests that may hold keys."""


class CautiousClient(Client):
    """Carries out what only reads; at the first change it says what would be done, and ends the command well."""

    def send(self, call: "Call[Answer]") -> Answer:
        """Carry out one call, unless it changes something."""
        if not call.changes:
            return super().send(call)
        _tell(call)
        raise typer.Exit


def _tell(call: "Call[Any]") -> None:
    query = "&".join(f"{name}={value}" for name, value in call.query)
    path = f"{API_ROOT}{call.path}{'?' if query else ''}{query}"
    body = _hidden(call.json) if call.content is None else f"{len(call.content)} bytes"
    print_json({"dry_run": True, "method": call.method, "path": path, "body": body})


def _hidden(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: "…" if name in SECRETS and value else _hidden(value) for name, value in content.items()}
    return [_hidden(one) for one in content] if isinstance(content, list) else content
