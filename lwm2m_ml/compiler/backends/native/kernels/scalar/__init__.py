"""Kernels for cores that multiply one pair of numbers at a time: Armv6-M, Armv8-M Baseline, RV32IM, portable C."""

from lwm2m_ml.compiler.backends.native.kernels.armv7em import has_dsp, has_helium
from lwm2m_ml.compiler.targets import Architecture, Target


def is_scalar(target: Target) -> bool:
    """Whether these kernels are meant for the core: one pair at a time, or sixteen where the dot product has Helium."""
    return not has_dsp(target) or has_helium(target)


def is_baseline(target: Target) -> bool:
    """Whether it is an Arm core of the smallest profiles: no long products, eight registers for most instructions."""
    return target.architecture is Architecture.THUMB and not target.has("armv7-m")
