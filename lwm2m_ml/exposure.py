"""What may travel in the clear: nothing that leaves this machine."""

import ipaddress
from dataclasses import dataclass


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files for TLS with other machines: who is believed, and as whom we come. Empty: not given."""

    authority: str = ""
    certificate: str = ""
    private_key: str = ""

    @property
    def complete(self) -> bool:
        """Whether both ends can be known by them."""
        return bool(self.authority and self.certificate and self.private_key)
