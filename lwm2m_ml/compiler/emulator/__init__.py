"""Emulated microcontroller cores: they prove modules before release and run them in simulated devices."""

from lwm2m_ml.compiler.emulator.errors import EmulationFault, InstructionLimitPassed, StackOverflow
from lwm2m_ml.compiler.emulator.machine import CallResult, Region
from lwm2m_ml.compiler.emulator.module_runner import ModuleRunner
from lwm2m_ml.compiler.emulator.open import open_runner
from lwm2m_ml.compiler.emulator.profile import instructions_by_function
from lwm2m_ml.compiler.emulator.runner import Invocation, Runner
from lwm2m_ml.compiler.emulator.unicorn_machine import Machine

__all__ = [
    "CallResult",
    "EmulationFault",
    "InstructionLimitPassed",
    "Invocation",
    "Machine",
    "ModuleRunner",
    "Region",
    "Runner",
    "StackOverflow",
    "instructions_by_function",
    "open_runner",
]
