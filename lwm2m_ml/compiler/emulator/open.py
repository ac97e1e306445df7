"""Chooses the runner that serves a target."""

from collections.abc import Sequence

from lwm2m_ml.compiler.emulator.errors import EmulationFault
from lwm2m_ml.compiler.emulator.module_runner import ModuleRunner
from lwm2m_ml.compiler.emulator.qemu_runner import MACHINE, QemuRunner, qemu_version
from lwm2m_ml.compiler.emulator.runner import Runner
from lwm2m_ml.compiler.emulator.wasm_runner import WasmRunner
from lwm2m_ml.compiler.targets import Architecture, Proof, Target


def open_runner(
    payload: bytes, target: Target, *, arena_bytes: int, stack_bytes: int, bank_bytes: Sequence[int] = ()
) -> Runner:
    """Load a module for repeated invocation, whatever it is made of, its arena in one piece or in several.

    Raises `UsageError` for a target that nothing here executes, `MissingExtraError` or `MissingToolError` for one that
    needs what is not installed.
    """
    if target.architecture is Architecture.WASM32:
        return WasmRunner(payload, arena_bytes=arena_bytes, stack_bytes=stack_bytes)
    if target.proof is Proof.QEMU:
        if bank_bytes:
            raise EmulationFault("QEMU runs modules with an arena in one piece only")
        return QemuRunner(payload, target, arena_bytes=arena_bytes, stack_bytes=stack_bytes)
    return ModuleRunner(payload, target, arena_bytes=arena_bytes, stack_bytes=stack_bytes, bank_bytes=bank_bytes)


def executor_of(target: Target) -> str | None:
    """What executes native or WebAssembly modules of a target; None when nothing here does."""
    if target.proof is Proof.WASMTIME:
        return "wasmtime"
    if target.proof is Proof.QEMU:
        version = qemu_version()
        return None if version is None else f"QEMU {version}, {MACHINE}"
    if target.proof is Proof.UNICORN and target.emulator_cpu is not None:
        return f"unicorn, {target.core}"
    return None
