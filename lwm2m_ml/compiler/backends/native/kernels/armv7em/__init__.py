"""Kernels for cores with the DSP extension of Armv7-M or Armv8-M Mainline: two multiplications per instruction."""

from lwm2m_ml.compiler.targets import Target


def has_dsp(target: Target) -> bool:
    """Whether the core has SMLAD and its relatives."""
    return target.has("dsp", "armv7-m")


def has_helium(target: Target) -> bool:
    """Whether the core multiplies sixteen pairs of bytes at a time: the vector extension of Armv8.1-M."""
    return target.has("mve")
