"""Modules as a device runs them: inputs in, outputs out, nothing else in reach."""

import pytest

from lwm2m_ml.compiler.emulator import EmulationFault, ModuleRunner, StackOverflow
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.compiler.toolchain import compile_blob

CORES = ("cortex-m0plus", "cortex-m4f", "cortex-m7", "cortex-m33", "rv32imc", "x86-64", "aarch64", "host")

SUMS = """
#include <stdint.h>
static const int32_t scale[4] = {1, 10, 100, -1000};
int32_t module_invoke(void *arena) {
  const int8_t *x = arena;
  int32_t *y = (int32_t *)((uint8_t *)arena + 16);
  int64_t sum = 0;
  for (int i = 0; i < 4; i++) y[i] = x[i] * scale[i], sum += (int64_t)y[i] * scale[i];
  y[4] = (int32_t)(sum >> (x[4] & 63));
  return 0;
}
"""


def make_runner(
    source: str, core: str, *, arena: int = 64, stack: int = 512, arena_address: int | None = None
) -> ModuleRunner:
    target = load_target(core)
    return ModuleRunner(
        compile_blob({"m.c": source}, target).code,
        target,
        arena_bytes=arena,
        stack_bytes=stack,
        arena_address=arena_address,
    )


@pytest.mark.parametrize("core", CORES)
@pytest.mark.parametrize("load_address", [0x0800_0000, 0x0813_A4C0, 0x0001_0010])
@pytest.mark.parametrize("arena_address", [None, 0x2000_0100, 0x2200_0FF0])
def test_a_module_gives_the_same_answer_at_any_address(core: str, load_address: int, arena_address: int | None) -> None:
    target = load_target(core)
    runner = ModuleRunner(
        compile_blob({"m.c": SUMS}, target).code,
        target,
        arena_bytes=64,
        stack_bytes=512,
        load_address=load_address,
        arena_address=arena_address,
    )
    done = runner.invoke([(0, bytes([1, 2, 3, 0xFC, 3]))], [(16, 20)])
    sums = [int.from_bytes(done.outputs[0][i : i + 4], "little", signed=True) for i in range(0, 20, 4)]
    assert sums == [1, 20, 300, 4000, (1 + 200 + 30_000 - 4_000_000) >> 3]
    assert 0 < done.instructions < 600
    assert 0 <= done.stack_bytes <= 256


def test_the_arena_keeps_its_content_between_invocations() -> None:
    counter = "#include <stdint.h>\nint32_t module_invoke(void *arena) { ++*(uint32_t *)arena; return 0; }"
    runner = make_runner(counter, "cortex-m4f", arena=4)
    runner.invoke([(0, bytes(4))], [])
    assert [runner.invoke([], [(0, 4)]).outputs[0][0] for _ in range(3)] == [2, 3, 4]
    assert runner.read_arena() == b"\x04\0\0\0"


def test_the_arena_does_not_start_with_zeros() -> None:
    runner = make_runner("int module_invoke(void *arena) { return 0; }", "cortex-m0plus")
    assert runner.invoke([], [(0, 4)]).outputs == (b"\xa5" * 4,)


@pytest.mark.parametrize("offset", [-1, 64, 65, 71])
@pytest.mark.parametrize("core", ["cortex-m0plus", "rv32imc"])
def test_a_write_beside_the_arena_is_noticed(core: str, offset: int) -> None:
    source = f"int module_invoke(volatile signed char *arena) {{ arena[{offset}] = 1; return 0; }}"
    with pytest.raises(EmulationFault, match=rf"outside its arena of 64 bytes, at offset {offset}\."):
        make_runner(source, core, arena_address=0x2000_0400).invoke([], [])


@pytest.mark.parametrize("offset", [64, 4096, 100_000, -65536])
def test_by_default_the_first_byte_after_the_arena_is_out_of_reach(offset: int) -> None:
    source = f"int module_invoke(volatile char *arena) {{ return arena[{offset}] & 0; }}"
    with pytest.raises(EmulationFault, match="Read of unmapped memory"):
        make_runner(source, "cortex-m0plus").invoke([], [])


def test_a_return_value_other_than_zero_is_a_fault() -> None:
    with pytest.raises(EmulationFault, match="returned 3"):
        make_runner("int module_invoke(void *arena) { return 3; }", "rv32imc").invoke([], [])


def test_more_stack_than_granted_is_a_fault_even_within_its_page() -> None:
    source = """
    #include <string.h>
    int module_invoke(void *arena) { volatile char local[600]; for (int i = 0; i < 600; i++) local[i] = 1; return 0; }
    """.replace("#include <string.h>", "")
    assert make_runner(source, "cortex-m4f", stack=1024).invoke([], []).stack_bytes >= 600
    with pytest.raises(StackOverflow, match="of a 512-byte stack"):
        make_runner(source, "cortex-m4f", stack=512).invoke([], [])


@pytest.mark.parametrize(("offset", "length"), [(-1, 4), (60, 5), (1 << 40, 1), (0, -1)])
def test_inputs_and_outputs_lie_in_the_arena(offset: int, length: int) -> None:
    runner = make_runner("int module_invoke(void *arena) { return 0; }", "cortex-m0plus")
    with pytest.raises(EmulationFault, match="outside the arena"):
        runner.invoke([], [(offset, length)])


def test_garbage_as_a_module_is_a_fault_not_a_crash() -> None:
    for seed in range(40):
        payload = bytes((seed * 131 + i * i * 7 + i * 29) & 0xFF for i in range(512))
        for core in ("cortex-m0plus", "cortex-m4f", "rv32imc"):
            runner = ModuleRunner(payload, load_target(core), arena_bytes=256, stack_bytes=512)
            with pytest.raises(EmulationFault):
                runner.invoke([], [], instruction_limit=100_000)


@pytest.mark.parametrize(
    ("arena", "stack", "address"), [(-1, 16, 0), (16, -1, 0), (1 << 40, 16, 0), (16, 16, 0x0800_0004)]
)
def test_impossible_sizes_and_places_are_refused(arena: int, stack: int, address: int) -> None:
    with pytest.raises(EmulationFault):
        ModuleRunner(b"\x70\x47", load_target("cortex-m0"), arena_bytes=arena, stack_bytes=stack, load_address=address)
    with pytest.raises(EmulationFault):
        ModuleRunner(b"", load_target("cortex-m0"), arena_bytes=16, stack_bytes=16)
