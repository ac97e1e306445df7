"""Callers of an OpenID Connect provider: their JWT access tokens, checked against the keys the provider publishes.

OpenID Connect Discovery 1.0 §4 tells where the keys are, RFC 7519 and RFC 9068 what a token has to say.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from lwm2m_ml.config import OidcSettings
from lwm2m_ml.errors import UnavailableError
from lwm2m_ml.service.access import Caller, Scope

log = structlog.get_logger(__name__)

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
"""Signatures only: a shared secret would let everybody who can check a token make one."""
DISCOVERY = "/.well-known/openid-configuration"
KEYS_KEPT_SECONDS = 3_600.0
NEXT_TRY_SECONDS = 30.0
"""The provider is asked no more often, whatever keys strangers name."""
LEEWAY_SECONDS = 30
LARGEST_ANSWER = 1 << 20
PARTS_OF_A_JWT = 3


class OidcProvider:
    """Knows callers by the tokens of one provider."""

    def __init__(self, settings: OidcSettings, http: httpx.AsyncClient) -> None:
        self._settings = settings
        self._http = http
        self._keys: KeySet | None = None
        self._fetched_at = -KEYS_KEPT_SECONDS
        self._tried_at = -NEXT_TRY_SECONDS
        self._lock = asyncio.Lock()
        self._jws = JWSRegistry(algorithms=ALGORITHMS)
        self._claims = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": settings.issuer},
            aud={"essential": True, "value": settings.audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    async def caller_of(self, token: str) -> Caller | None:
        """Whoever the provider made the token for, or None when it is not a good one, or names no scope."""
        if token.count(".") != PARTS_OF_A_JWT - 1:
            return None
        claims = self._checked(token, await self._known_keys())
        if claims is None and time.monotonic() - self._tried_at >= NEXT_TRY_SECONDS:
            claims = self._checked(token, await self._known_keys(anew=True))  # it may be signed with a new key
        if claims is None:
            return None
        scope = self._scope(claims)
        return None if scope is None else Caller(f"{claims['sub']} ({self._settings.issuer})", scope)

    def _checked(self, token: str, keys: KeySet) -> Mapping[str, Any] | None:
        try:
            decoded = jwt.decode(token, keys, registry=self._jws)
            self._claims.validate(decoded.claims)
        except (JoseError, ValueError, KeyError) as error:
            log.debug("a token of the OIDC provider is not accepted", reason=str(error))
            return None
        return decoded.claims

    def _scope(self, claims: Mapping[str, Any]) -> Scope | None:
        """The greatest scope that the token's roles stand for."""
        told = claims.get(self._settings.claim, ())
        roles = told.split() if isinstance(told, str) else told
        names = {self._settings.roles.get(role) for role in roles if isinstance(role, str)}
        return next((scope for scope in reversed(Scope) if str(scope) in names), None)

    async def _known_keys(self, *, anew: bool = False) -> KeySet:
        async with self._lock:
            now = time.monotonic()
            old = now - self._fetched_at >= KEYS_KEPT_SECONDS
            if self._keys is None or ((old or anew) and now - self._tried_at >= NEXT_TRY_SECONDS):
                self._tried_at = now
                await self._fetch()
            if self._keys is None:
                raise UnavailableError("The OIDC provider cannot be asked for its keys", hint="See the server's log")
            return self._keys

    async def _fetch(self) -> None:
        """Get the provider's keys; the ones known so far stay when that fails."""
        try:
            found = await self._get(self._settings.issuer.rstrip("/") + DISCOVERY)
            if found["issuer"] != self._settings.issuer:
                raise ValueError(f"it calls itself {found['issuer']}")
            self._keys = KeySet.import_key_set(await self._get(found["jwks_uri"]))
            self._fetched_at = time.monotonic()
        except (httpx.HTTPError, JoseError, ValueError, KeyError, TypeError) as error:
            log.error("the keys of the OIDC provider cannot be had", issuer=self._settings.issuer, reason=str(error))

    async def _get(self, url: str) -> Any:
        response = (await self._http.get(url, timeout=10.0)).raise_for_status()
        if len(response.content) > LARGEST_ANSWER:
            raise ValueError("its answer is too large")
        return response.json()
