"""Which of the fleet's devices had a port: a server that knows peers by their address must not take one for another."""

Address = tuple[str, int]


class PortBook:
    """The last owner of each port, as one NAT or one host has it for all devices behind it.

    Without security a server knows a device by its address alone (Core TS V1_2 §6.2.1 has it keep the address of a
    registration), and takes whatever comes from there for that device until it registers anew or its lifetime ends.
    Devices elsewhere have addresses of their own; those of a fleet share one, whose ports the system hands out again.
    """

    def __init__(self) -> None:
        self._owners: dict[Address, object] = {}

    def take(self, address: Address, owner: object) -> bool:
        """Enter the owner of a port; False, and nothing entered, when somebody else had it before."""
        return self._owners.setdefault(address, owner) is owner
