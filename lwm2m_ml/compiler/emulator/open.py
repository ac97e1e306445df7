"""Chooses the runner that serves a target."""

from lwm2m_ml.compiler.emulator.module_runner import ModuleRunner
from lwm2m_ml.compiler.emulator.runner import Runner
from lwm2m_ml.compiler.emulator.wasm_runner import WasmRunner
from lwm2m_ml.compiler.targets import Architecture, Proof, Target


def open_runner(payload: bytes, target: Target, *, arena_bytes: int, stack_bytes: int) -> Runner:
    """Load a module for repeated invocation, whatever it is made of.

    Raises `UsageError` for a target that nothing here executes, `MissingExtraError` for one that needs an extra.
    """
    if target.architecture is Architecture.WASM32:
        return WasmRunner(payload, arena_bytes=arena_bytes, stack_bytes=stack_bytes)
    return ModuleRunner(payload, target, arena_bytes=arena_bytes, stack_bytes=stack_bytes)


def executor_of(target: Target) -> str | None:
    """What executes native or WebAssembly modules of a target; None when nothing here does."""
    if target.proof is Proof.WASMTIME:
        return "wasmtime"
    if target.proof is Proof.UNICORN and target.emulator_cpu is not None:
        return f"unicorn, {target.core}"
    return None
