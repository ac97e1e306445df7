"""Where packages are laid out for devices to fetch, as deliveries see it."""

from typing import Protocol


class Offer(Protocol):
    """A package that a device can fetch."""

    @property
    def uri(self) -> str:
        """Where the device fetches it over CoAP."""

    @property
    def http_uri(self) -> str | None:
        """Where the device fetches it over HTTP or HTTPS; None where it cannot."""

    @property
    def token(self) -> str:
        """The unguessable part of the address, which withdraws it."""

    @property
    def bytes_served(self) -> int:
        """How much has been sent, headers and repetitions included."""

    @property
    def block_bytes(self) -> int | None:
        """The size of the blocks that the device asked for; None before it asked."""


class Shelf(Protocol):
    """Where packages are laid out for devices to fetch."""

    async def offer(self, content: bytes, *, endpoint: str) -> Offer:
        """Make a package available to one device; returns when not even a killed server forgets it.

        The offer of an earlier run of the server is found again.
        """

    def withdraw(self, token: str) -> None:
        """Make it unavailable."""
