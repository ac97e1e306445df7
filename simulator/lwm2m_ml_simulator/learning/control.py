"""The control tensor of a module that learns, as bytes."""

import struct

from lwm2m_ml.module.learning import Control

_FORM = struct.Struct(f"<{len(Control)}f")


def control(
    *,
    keep: bool = False,
    weight: float = 0.0,
    true_class: int = 0,
    share: float = 0.0,
    rate: float = 0.0,
    momentum: float = 0.0,
) -> bytes:
    """What a call is to do; without arguments it infers with the module's own parameters."""
    numbers = {
        Control.KEEP: float(keep),
        Control.WEIGHT: weight,
        Control.CLASS: float(true_class),
        Control.SHARE: share,
        Control.RATE: rate,
        Control.MOMENTUM: momentum,
    }
    return _FORM.pack(*(numbers[place] for place in Control))
