"""A shelf of packages that exists in memory only: where fake devices fetch from."""

from dataclasses import dataclass


@dataclass
class FakeOffer:
    """A package on the fake shelf."""

    uri: str
    token: str
    content: bytes
    bytes_served: int = 0
    block_bytes: int | None = None

    @property
    def http_uri(self) -> str:
        return self.uri.replace("coap:", "http:")


class FakeShelf:
    """Where fake devices fetch from."""

    def __init__(self) -> None:
        self.offers: dict[str, FakeOffer] = {}
        self.published = 0

    def publish(self, content: bytes, *, endpoint: str) -> FakeOffer:
        for known in self.offers.values():
            if known.content == content and known.token.rpartition("-")[0] == endpoint:
                return known
        self.published += 1
        token = f"{endpoint}-{self.published}"
        offer = FakeOffer(f"coap://server/packages/{token}", token, content)
        self.offers[token] = offer
        return offer

    async def offer(self, content: bytes, *, endpoint: str) -> FakeOffer:
        return self.publish(content, endpoint=endpoint)

    def withdraw(self, token: str) -> None:
        self.offers.pop(token, None)
