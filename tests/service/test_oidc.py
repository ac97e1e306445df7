"""Tokens of an OIDC provider: only good ones let in, with the scope that their roles stand for."""

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

from lwm2m_ml.config import OidcSettings
from lwm2m_ml.errors import UnavailableError
from lwm2m_ml.service.access import Caller, Scope
from lwm2m_ml.service.oidc import OidcProvider

ISSUER = "https://login.example"


class Provider:
    """Publishes keys, and makes tokens with one of them."""

    def __init__(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "one"})
        self.asked = 0
        self.up = True

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if not self.up:
            return httpx.Response(503)
        if request.url.path == "/.well-known/openid-configuration":
            return httpx.Response(200, json={"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"})
        return httpx.Response(200, json=KeySet([self.key]).as_dict(private=False))

    def token(self, *, key: Any = None, algorithm: str = "ES256", **changes: Any) -> str:
        claims = {
            "iss": ISSUER,
            "aud": "lwm2m-ml",
            "sub": "ann",
            "exp": int(time.time()) + 60,
            "roles": ["something", "operator", "viewer"],
        }
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        signing = key or self.key
        return jwt.encode({"alg": algorithm, "kid": signing.kid}, claims, signing, algorithms=[algorithm])


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def known(provider: Provider) -> AsyncIterator[OidcProvider]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(provider.answer)) as http:
        yield OidcProvider(OidcSettings(issuer=ISSUER), http)


async def test_the_greatest_scope_of_the_roles_counts(provider: Provider, known: OidcProvider) -> None:
    assert await known.caller_of(provider.token()) == Caller(f"ann ({ISSUER})", Scope.OPERATOR)
    assert await known.caller_of(provider.token(roles="admin viewer")) == Caller(f"ann ({ISSUER})", Scope.ADMIN)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": None},
        {"aud": "another"},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"sub": None},
        {"roles": ["gardener"]},
        {"roles": None},
        {"roles": [["admin"]]},
        {"nbf": 2**33},
    ],
)
async def test_a_token_that_says_something_else_lets_nobody_in(
    provider: Provider, known: OidcProvider, changes: dict[str, Any]
) -> None:
    assert await known.caller_of(provider.token(**changes)) is None


@pytest.mark.parametrize(
    "forge",
    [
        lambda provider: provider.token(key=ECKey.generate_key("P-256", {"kid": "one"})),
        lambda provider: provider.token(key=OctKey.import_key("x" * 32, {"kid": "one"}), algorithm="HS256"),
        lambda provider: provider.token().rsplit(".", 1)[0] + ".",
        lambda _: "eyJhbGciOiJub25lIn0.e30.",
        lambda _: "a.b.c",
        lambda _: "an-api-token",
    ],
)
async def test_a_forged_token_lets_nobody_in(
    provider: Provider, known: OidcProvider, forge: Callable[[Provider], str]
) -> None:
    assert await known.caller_of(forge(provider)) is None


async def test_strangers_do_not_make_the_server_ask_the_provider_again_and_again(
    provider: Provider, known: OidcProvider
) -> None:
    stranger = ECKey.generate_key("P-256", {"kid": "theirs"})
    for _ in range(20):
        assert await known.caller_of(provider.token(key=stranger)) is None
    assert provider.asked == 2


async def test_a_new_key_is_fetched_when_it_is_first_used(
    provider: Provider, known: OidcProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await known.caller_of(provider.token())
    provider.key = ECKey.generate_key("P-256", {"kid": "two"})
    monkeypatch.setattr("lwm2m_ml.service.oidc.NEXT_TRY_SECONDS", 0.0)
    assert await known.caller_of(provider.token())


async def test_a_provider_that_is_down_is_no_reason_to_say_that_a_token_is_bad(
    provider: Provider, known: OidcProvider
) -> None:
    provider.up = False
    with pytest.raises(UnavailableError, match="cannot be asked"):
        await known.caller_of(provider.token())
