"""Kernels for cores with the Armv7E-M DSP extension: two 16-bit multiplications per instruction."""

from lwm2m_ml.compiler.targets import Target


def has_dsp(target: Target) -> bool:
    """Whether the core has SMLAD and its relatives."""
    return target.has("armv7e-m")
