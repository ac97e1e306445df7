"""`faults`: what goes wrong with a device, once each."""

from typing import Annotated

from pydantic import Field

from lwm2m_ml_simulator.device.faults import BitRot, Faults, PackageBitFlip
from lwm2m_ml_simulator.scenario.values import Bytes, Count, Table

Bit = Annotated[int, Field(ge=0, le=7)]


class BitRotTable(Table):
    """`bit_rot = { after_inferences = 20, bit = 3, payload_offset = 100 }`; without offset, a bit that matters."""

    payload_offset: Count | None = None
    bit: Bit = 0
    after_inferences: Count = 0


class PackageBitFlipTable(Table):
    """`package_bit_flip = { offset = 100, bit = 3 }`."""

    offset: Count
    bit: Bit = 0


class FaultsTable(Table):
    """`[device.faults]`: what goes wrong with the device, once each; `flash_endurance` counts for every block."""

    power_cut_after_blocks: Bytes | None = None
    bit_rot: BitRotTable | None = None
    package_bit_flip: PackageBitFlipTable | None = None
    flash_endurance: Count | None = None

    def faults(self) -> Faults:
        """Return the facts of this table that happen once."""
        return Faults(
            self.power_cut_after_blocks,
            BitRot(**self.bit_rot.model_dump()) if self.bit_rot else None,
            PackageBitFlip(**self.package_bit_flip.model_dump()) if self.package_bit_flip else None,
        )
