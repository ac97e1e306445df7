"""Calls into emulated code: exact counts of hand-counted programs, stack depth, and every way to misbehave."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from lwm2m_ml.compiler.emulator import EmulationFault, InstructionLimitPassed, Machine, Region, StackOverflow
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.errors import UsageError

Assemble = Callable[[str, str], bytes]

CODE, DATA, STACK = 0x0800_0000, 0x2000_0000, 0x3000_0000
STACK_TOP = STACK + 0x1000
THUMB_CORES = ("cortex-m0plus", "cortex-m3", "cortex-m4f", "cortex-m7", "cortex-m33")
RISCV_CORES = ("rv32imc", "rv32imac")


def make_machine(code: bytes, target_name: str, *, native: bool = True) -> Machine:
    pages = -(-len(code) // 4096) * 4096
    machine = Machine(
        load_target(target_name),
        regions=(
            Region("code", CODE, pages, executable=True),
            Region("data", DATA, 0x1000),
            Region("stack", STACK, 0x1000),
        ),
        native_counting=native,
    )
    machine.write(CODE, code)
    return machine


# Programs with the counts that a person gets by walking through them; `n` is the first argument.
THUMB_PROGRAMS: dict[str, tuple[str, int, int]] = {
    "return at once": ("bx lr", 0, 1),
    "straight line": ("movs r0, #1\nadds r0, #2\nlsls r0, r0, #3\nbx lr", 0, 4),
    # 2 per round for n rounds, and the return.
    "loop": ("1: subs r0, #1\nbne 1b\nbx lr", 1000, 2 * 1000 + 1),
    # outer: movs, inner 2 × 7, subs, bne = 17 a round.
    "nested loop": ("1: movs r1, #7\n2: subs r1, #1\nbne 2b\nsubs r0, #1\nbne 1b\nbx lr", 50, 50 * 17 + 1),
    # push, movs, 3 × (bl, adds, bx), pop.
    "calls": (
        "push {r4, lr}\nmovs r0, #0\nbl 1f\nbl 1f\nbl 1f\npop {r4, pc}\n1: adds r0, #1\nbx lr",
        0,
        2 + 3 * 3 + 1,
    ),
    # The branch is taken in every other round: lsrs, bcc, (adds), subs, bne.
    "branch over one": (
        "movs r2, #0\n1: lsrs r1, r0, #1\nbcc 2f\nadds r2, #1\n2: subs r0, #1\nbne 1b\nmovs r0, #0\nbx lr",
        100,
        1 + 100 * 4 + 50 + 2,
    ),
    # Crosses pages and is longer than any block that the emulator translates at once.
    "five thousand in a row": (".rept 5000\nadds r0, #1\n.endr\nbx lr", 0, 5001),
    "literal pool between": ("ldr r0, 1f\nb 2f\n.align 2\n1: .word 0\n2: bx lr", 0, 3),
}
THUMB2_PROGRAMS: dict[str, tuple[str, int, int]] = {
    "wide and narrow": ("movw r1, #4660\nmovt r1, #1\nadd.w r0, r0, r1, lsl #2\nadds r0, #1\nbx lr", 0, 5),
    # An instruction whose condition fails still takes its turn.
    "conditional block": ("cmp r0, #0\nite eq\nmoveq r0, #1\nmovne r0, #2\nbx lr", 0, 5),
    "compare and branch": ("1: cbz r0, 2f\nsubs r0, #1\nb 1b\n2: bx lr", 10, 3 * 10 + 2),
    "table branch": ("movs r0, #1\ntbb [pc, r0]\n1: .byte 1, 2\nnop\nnop\nbx lr", 0, 4),
}
RISCV_PROGRAMS: dict[str, tuple[str, int, int]] = {
    "return at once": ("ret", 0, 1),
    "wide and narrow": (".option push\n.option norvc\naddi a0, a0, 1\n.option pop\nc.addi a0, 1\nret", 0, 3),
    "loop": ("1: addi a0, a0, -1\nbnez a0, 1b\nret", 1000, 2 * 1000 + 1),
    "nested loop": ("1: li a1, 7\n2: addi a1, a1, -1\nbnez a1, 2b\naddi a0, a0, -1\nbnez a0, 1b\nret", 50, 50 * 17 + 1),
    "calls": (
        "addi sp, sp, -16\nsw ra, 0(sp)\njal 1f\njal 1f\njal 1f\nlw ra, 0(sp)\naddi sp, sp, 16\nret\n"
        "1: addi a0, a0, 1\nret",
        0,
        2 + 3 * 3 + 3,
    ),
    "five thousand in a row": (".rept 5000\naddi a0, a0, 1\n.endr\nret", 0, 5001),
    "multiply and divide": ("li a1, 7\nmul a0, a0, a1\ndivu a0, a0, a1\nret", 3, 4),
}
X86_PROGRAMS: dict[str, tuple[str, int, int]] = {
    "return at once": ("ret", 0, 1),
    "loop": ("1: dec edi\njnz 1b\nmov eax, edi\nret", 1000, 2 * 1000 + 2),
    "calls": ("push rbx\ncall 1f\ncall 1f\npop rbx\nret\n1: inc eax\nret", 0, 1 + 2 * 3 + 2),
    "five thousand in a row": (".rept 5000\nlea rax, [rax + rdi * 4 + 1000000]\n.endr\nret", 0, 5001),
    "vectors": ("movd xmm0, edi\npaddd xmm0, xmm0\nmovd eax, xmm0\nret", 3, 4),
}
AARCH64_PROGRAMS: dict[str, tuple[str, int, int]] = {
    "return at once": ("ret", 0, 1),
    "loop": ("1: subs w0, w0, #1\nb.ne 1b\nret", 1000, 2 * 1000 + 1),
    "five thousand in a row": (".rept 5000\nadd w0, w0, #1\n.endr\nret", 0, 5001),
    "vectors": ("dup v0.4s, w0\nadd v0.4s, v0.4s, v0.4s\nmov w0, v0.s[3]\nret", 3, 4),
}
PROGRAMS = [
    *((core, THUMB_PROGRAMS) for core in THUMB_CORES),
    *((core, THUMB2_PROGRAMS) for core in THUMB_CORES if core != "cortex-m0plus"),
    *((core, RISCV_PROGRAMS) for core in RISCV_CORES),
    ("x86-64", X86_PROGRAMS),
    ("aarch64", AARCH64_PROGRAMS),
]
CASES = [
    pytest.param(core, *program, id=f"{core}: {name}") for core, table in PROGRAMS for name, program in table.items()
]


@pytest.mark.parametrize("native", [True, False], ids=["C counter", "Python counter"])
@pytest.mark.parametrize(("core", "body", "argument", "expected"), CASES)
def test_instructions_are_counted_exactly(
    assemble: Assemble, core: str, body: str, argument: int, expected: int, native: bool
) -> None:
    machine = make_machine(assemble(body, core), core, native=native)
    assert machine.counts_natively is native
    assert [machine.call(CODE, argument, stack_top=STACK_TOP).instructions for _ in range(3)] == [expected] * 3


@pytest.mark.parametrize("core", ["cortex-m0plus", "rv32imc"])
def test_arguments_go_in_and_the_return_value_comes_out(assemble: Assemble, core: str) -> None:
    body = "subs r0, r0, r1\nbx lr" if core.startswith("cortex") else "sub a0, a0, a1\nret"
    machine = make_machine(assemble(body, core), core)
    assert machine.call(CODE, 50, 8, stack_top=STACK_TOP).return_value == 42
    assert machine.call(CODE, 0, 1, stack_top=STACK_TOP).return_value == 0xFFFF_FFFF


@pytest.mark.parametrize(
    ("core", "body", "depth"),
    [
        ("cortex-m0plus", "bx lr", 0),
        ("cortex-m0plus", "push {r4, r5, r6, lr}\npop {r4, r5, r6, pc}", 16),
        ("cortex-m4f", "sub sp, #256\nstr r0, [sp]\nadd sp, #256\nbx lr", 256),
        ("rv32imc", "addi sp, sp, -64\nsw zero, 0(sp)\naddi sp, sp, 64\nret", 64),
    ],
)
def test_peak_stack_is_measured_at_every_call(assemble: Assemble, core: str, body: str, depth: int) -> None:
    machine = make_machine(assemble(body, core), core)
    assert [machine.call(CODE, stack_top=STACK_TOP).peak_stack_bytes for _ in range(2)] == [depth] * 2


def test_a_shallow_call_after_a_deep_one_is_shallow(assemble: Assemble) -> None:
    body = "1: push {r4, lr}\nsubs r0, #1\nbeq 2f\nbl 1b\n2: pop {r4, pc}"
    machine = make_machine(assemble(body, "cortex-m0plus"), "cortex-m0plus")
    assert [machine.call(CODE, n, stack_top=STACK_TOP).peak_stack_bytes for n in (20, 1, 5)] == [160, 8, 40]


FAULTS = [
    (
        "cortex-m0plus",
        "movs r0, #0\nldr r0, [r0]\nbx lr",
        "read of unmapped memory: 4 bytes at 0x00000000",
        0x0800_0002,
    ),
    (
        "cortex-m0plus",
        "movs r0, #16\nstr r0, [r0]\nbx lr",
        "write to unmapped memory: 4 bytes at 0x00000010",
        0x0800_0002,
    ),
    (
        "cortex-m0plus",
        "mov r0, pc\nstr r0, [r0]\nbx lr",
        r"write to protected memory: 4 bytes at 0x08000004 \(code\)",
        0x0800_0002,
    ),
    (
        "cortex-m0plus",
        "movs r0, #1\nlsls r0, r0, #29\nadds r0, #1\nbx r0",
        "jump to memory that holds data",
        0x2000_0000,
    ),
    ("cortex-m0plus", "movs r0, #1\nbx r0", "jump to unmapped memory", 0x0),
    ("cortex-m0plus", "mov r0, sp\nsubs r0, #7\nldr r0, [r0]\nbx lr", "unaligned access", 0x0800_0004),
    ("cortex-m0plus", "udf #0", "invalid instruction", 0x0800_0000),
    ("cortex-m0plus", "svc #1", "supervisor call", 0x0800_0000),
    ("cortex-m0plus", "bkpt #1", "breakpoint", 0x0800_0000),
    ("cortex-m0plus", "wfi\nbx lr", "went to sleep", 0x0800_0002),
    ("cortex-m0plus", "movs r4, #0\nbx lr", "callee-saved register number 0", None),
    ("cortex-m0plus", "sub sp, #8\nbx lr", "another stack pointer", None),
    ("cortex-m0plus", ".inst.n 0xfb90, 0xf0f0\nbx lr", "invalid instruction", 0x0800_0000),
    ("rv32imc", "lw a0, 0(zero)\nret", "read of unmapped memory: 4 bytes at 0x00000000", 0x0800_0000),
    (
        "rv32imc",
        "auipc a0, 0\nsw a0, 0(a0)\nret",
        r"write to protected memory: 4 bytes at 0x08000000 \(code\)",
        0x0800_0004,
    ),
    ("rv32imc", "jr zero", "jump to unmapped memory", 0x0),
    ("rv32imc", "unimp", "illegal instruction", 0x0800_0000),
    ("rv32imc", "ecall", "environment call", 0x0800_0000),
    ("rv32imc", "li s3, 0\nret", "callee-saved register number 3", None),
    ("x86-64", "mov eax, [0]\nret", "read of unmapped memory: 4 bytes at 0x00000000", 0x0800_0000),
    ("x86-64", "ud2", "invalid instruction", 0x0800_0000),
    ("x86-64", "xor ebx, ebx\nret", "callee-saved register number 0", None),
    ("x86-64", "int3", "breakpoint", 0x0800_0001),
    ("aarch64", "mov x0, #0\nldr w0, [x0]\nret", "read of unmapped memory: 4 bytes at 0x00000000", 0x0800_0004),
    ("aarch64", "udf #0", "undefined instruction", 0x0800_0000),
]


def faulty_code(assemble: Assemble, body: str, core: str) -> bytes:
    """Assemble; a few instructions are refused by the instruction check before the emulator could see them."""
    if ".inst" in body:
        return bytes.fromhex("90fbf0f07047")
    return assemble(body, core)


@pytest.mark.parametrize(("core", "body", "message", "address"), FAULTS)
def test_misbehaving_code_is_stopped_and_named(
    assemble: Assemble, core: str, body: str, message: str, address: int | None
) -> None:
    machine = make_machine(faulty_code(assemble, body, core), core)
    with pytest.raises(EmulationFault, match=f"(?i){message}") as caught:
        machine.call(CODE, stack_top=STACK_TOP)
    assert caught.value.address == address


@pytest.mark.parametrize(("core", "body"), [("cortex-m0plus", "1: b 1b"), ("rv32imc", "1: j 1b")])
@pytest.mark.parametrize("native", [True, False])
def test_endless_code_is_stopped_at_its_limit(assemble: Assemble, core: str, body: str, native: bool) -> None:
    machine = make_machine(assemble(body, core), core, native=native)
    with pytest.raises(InstructionLimitPassed, match="100,000 instructions"):
        machine.call(CODE, stack_top=STACK_TOP, instruction_limit=100_000)


def test_endless_recursion_overflows_the_stack(assemble: Assemble) -> None:
    machine = make_machine(assemble("1: push {r4, lr}\nbl 1b", "cortex-m0plus"), "cortex-m0plus")
    with pytest.raises(StackOverflow, match="stack overflowed"):
        machine.call(CODE, stack_top=STACK_TOP)


@pytest.mark.parametrize("core", ["cortex-m4f", "rv32imc"])
def test_a_fault_leaves_the_machine_usable(assemble: Assemble, core: str) -> None:
    thumb = "cmp r0, #0\nite eq\nldreq r0, [r0]\nmovne r0, #7\nbx lr"
    body = thumb if core.startswith("cortex") else "bnez a0, 1f\nlw a0, 0(a0)\n1: li a0, 7\nret"
    machine = make_machine(assemble(body, core), core)
    for _ in range(3):
        with pytest.raises(EmulationFault):
            machine.call(CODE, 0, stack_top=STACK_TOP)
        assert machine.call(CODE, 1, stack_top=STACK_TOP).return_value == 7


def test_rewritten_code_is_what_runs_and_is_counted(assemble: Assemble) -> None:
    machine = make_machine(assemble("movs r0, #1\nmovs r0, #2\nbx lr", "cortex-m0plus"), "cortex-m0plus")
    first = machine.call(CODE, stack_top=STACK_TOP)
    machine.write(CODE, assemble("ldr r0, 1f\nbx lr\n.align 2\n1: .word 77", "cortex-m0plus"))
    second = machine.call(CODE, stack_top=STACK_TOP)
    assert (first.return_value, first.instructions) == (2, 3)
    assert (second.return_value, second.instructions) == (77, 2)


def test_floating_point_works_where_there_is_a_unit(assemble: Assemble) -> None:
    body = "vmov s0, r0\nvadd.f32 s0, s0, s0\nvmov r0, s0\nbx lr"
    machine = make_machine(assemble(body, "cortex-m4f"), "cortex-m4f")
    one, two = 0x3F80_0000, 0x4000_0000
    assert machine.call(CODE, one, stack_top=STACK_TOP).return_value == two


def test_floating_point_faults_where_there_is_none(assemble: Assemble) -> None:
    code = assemble("vmov s0, r0\nvadd.f32 s0, s0, s0\nvmov r0, s0\nbx lr", "cortex-m4f")
    machine = make_machine(code, "cortex-m3")
    with pytest.raises(EmulationFault, match="FPU"):
        machine.call(CODE, 0, stack_top=STACK_TOP)


def test_risc_v_floating_point_works_where_there_is_a_unit(assemble: Assemble) -> None:
    body = "fmv.w.x fa0, a0\nfadd.s fa0, fa0, fa0\nfmv.x.w a0, fa0\nret"
    machine = make_machine(assemble(body, "rv32imafc"), "rv32imafc")
    assert machine.call(CODE, 0x3F80_0000, stack_top=STACK_TOP).return_value == 0x4000_0000


def test_machines_run_in_several_threads_and_one_machine_in_any(assemble: Assemble) -> None:
    code = assemble("1: subs r0, #1\nbne 1b\nbx lr", "cortex-m0plus")
    machines = [make_machine(code, "cortex-m0plus") for _ in range(4)]
    threads: set[int] = set()

    def count(number: int) -> int:
        threads.add(threading.get_ident())
        return machines[number % 4].call(CODE, 10_000 + number, stack_top=STACK_TOP).instructions

    with ThreadPoolExecutor(max_workers=3) as pool:
        counts = list(pool.map(count, range(24)))
    assert counts == [2 * (10_000 + number) + 1 for number in range(24)]
    assert threading.get_ident() not in threads


@pytest.mark.parametrize("name", ["wasm32", "esp32", "cortex-m55"])
def test_targets_that_are_not_emulated_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        Machine(load_target(name), regions=())


@pytest.mark.parametrize(
    "regions",
    [
        (Region("odd", 0x100, 0x1000),),
        (Region("part", 0x1000, 0x800),),
        (Region("high", 0xE000_0000, 0x1000),),
        (Region("one", 0x1000, 0x2000), Region("two", 0x2000, 0x1000)),
        (Region("huge", 0, 0x2000_0000),),
    ],
)
def test_impossible_memory_is_refused(regions: tuple[Region, ...]) -> None:
    with pytest.raises(UsageError):
        Machine(load_target("cortex-m0"), regions=regions)


def test_memory_outside_the_regions_is_refused() -> None:
    machine = make_machine(b"\x70\x47", "cortex-m0plus")
    with pytest.raises(EmulationFault, match="no memory"):
        machine.read(DATA + 0xFFF, 2)
