"""`security`: how a device proves itself to its server."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from lwm2m_ml.lwm2m.bootstrap import SecurityMode
from lwm2m_ml_simulator.device.device_security import DeviceSecurity, OscoreKeys, certificate_security, raw_key_security
from lwm2m_ml_simulator.errors import InvalidFleet
from lwm2m_ml_simulator.scenario.values import Table

Hex = Annotated[str, Field(pattern="^([0-9a-fA-F]{2}){0,64}$")]


class OscoreTable(Table):
    """`[device.security.oscore]`: a context from the device's side, everything in hexadecimal."""

    master_secret: Annotated[str, Field(pattern="^([0-9a-fA-F]{2}){16,64}$")]
    sender_id: Hex
    recipient_id: Hex
    master_salt: Hex = ""
    id_context: Hex = ""

    def keys(self) -> OscoreKeys:
        """Return the keys."""
        return OscoreKeys(**{name: bytes.fromhex(value) for name, value in self.model_dump().items()})


class SecurityTable(Table):
    """`[device.security]`: how the device proves itself to the server.

    With `key` (hexadecimal) it is a pre-shared key, whose `identity` is the endpoint name unless it says otherwise;
    several devices have `{endpoint}` in theirs. With `certificate`, `private_key` and `server_certificate` these are
    files in PEM; with `private_key` and `server_public_key` both sides show bare keys. With `connection_id` the DTLS
    session outlives changes of the device's address. `bootstrap = true`: the server is a bootstrap server, which gives
    the device its accounts.
    """

    key: Annotated[str, Field(pattern="^([0-9a-fA-F]{2}){4,64}$")] | None = None
    identity: Annotated[str, Field(min_length=1, max_length=128)] = "{endpoint}"
    certificate: str | None = None
    private_key: str | None = None
    server_certificate: str | None = None
    server_public_key: str | None = None
    connection_id: bool = False
    bootstrap: bool = False
    oscore: OscoreTable | None = None

    def security(self, endpoint: str) -> DeviceSecurity:
        """Return the keys of one device; raises InvalidFleet."""
        security = replace(self._transport_security(endpoint), connection_id=self.connection_id)
        return security if self.oscore is None else replace(security, oscore=self.oscore.keys())

    def _transport_security(self, endpoint: str) -> DeviceSecurity:
        files = (self.certificate, self.private_key, self.server_certificate)
        given = [Path(file) for file in files if file is not None]
        if self.key is not None and given:
            raise InvalidFleet("a device has a pre-shared key or certificates, not both")
        if self.key is not None:
            identity = self.identity.replace("{endpoint}", endpoint).encode()
            secret = bytes.fromhex(self.key)
            return DeviceSecurity(SecurityMode.PRE_SHARED_KEY, identity, secret, bootstrap=self.bootstrap)
        if self.private_key is not None and self.server_public_key is not None:
            return raw_key_security(Path(self.private_key), Path(self.server_public_key), bootstrap=self.bootstrap)
        if not given:
            return DeviceSecurity(bootstrap=self.bootstrap)
        if len(given) != len(files):
            raise InvalidFleet("certificate, private_key and server_certificate belong together")
        return certificate_security(*given, bootstrap=self.bootstrap)
