"""What the service asks of whoever does its heavy work: processes of this machine, or a farm of many."""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")


class Workers(Protocol):
    """Runs functions elsewhere."""

    async def run(self, function: Callable[..., Result], *arguments: Any, what: str) -> Result:
        """Run `function` in a worker; `what` names the work in errors. Raises what it raises, or `WorkerFailed`."""

    async def stop(self) -> None:
        """End what this process is at."""
