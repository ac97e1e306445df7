"""Instructions are held against what the target executes; data among them is not."""

import pytest

from lwm2m_ml.compiler.isa_check import InstructionSetError, check_instructions, disassemble
from lwm2m_ml.compiler.targets import load_target

# name: bytes, which targets execute it
THUMB: dict[str, tuple[str, set[str]]] = {
    "movs r0, #1": ("0120", {"cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33"}),
    "bl": ("00f001f8", {"cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33"}),
    "dmb sy": ("bff35f8f", {"cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33"}),
    "movw r0, #1": ("40f20100", {"cortex-m3", "cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33"}),
    "it eq": ("08bf", {"cortex-m3", "cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33"}),
    "cbz r0": ("00b1", {"cortex-m3", "cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33"}),
    "sdiv": ("90fbf1f0", {"cortex-m3", "cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33"}),
    "umull": ("a0fb0101", {"cortex-m3", "cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33"}),
    "smlad": ("20fb0000", {"cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33"}),
    "sxtb16": ("2ffa80f0", {"cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33"}),
    "smmul": ("50fb01f0", {"cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33"}),
    "vadd.f32": ("30ee200a", {"cortex-m4f", "cortex-m7", "cortex-m33"}),
    "vldr s0": ("90ed000a", {"cortex-m4f", "cortex-m7", "cortex-m33"}),
    "vrinta.f32": ("b8fe400a", {"cortex-m7", "cortex-m33"}),
    "vadd.f64": ("30ee000b", set()),
    "lda": ("d0e8af1f", {"cortex-m33"}),
    "undefined": ("00de", {"cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33"}),
}
RISCV: dict[str, tuple[str, set[str]]] = {
    "addi a0, a0, 1": ("13051500", {"rv32imc", "rv32imac", "rv32imafc"}),
    "c.addi a0, 1": ("0505", {"rv32imc", "rv32imac", "rv32imafc"}),
    "mul": ("3305b502", {"rv32imc", "rv32imac", "rv32imafc"}),
    "fence": ("0f00f00f", {"rv32imc", "rv32imac", "rv32imafc"}),
    "amoadd.w": ("2f25b500", {"rv32imac", "rv32imafc"}),
    "lr.w": ("2f250510", {"rv32imac", "rv32imafc"}),
    "fadd.s": ("5375b500", {"rv32imafc"}),
    "flw": ("07250500", {"rv32imafc"}),
    "fadd.d": ("5375b502", set()),
    "sh1add of Zba": ("3325b520", set()),
    "all ones": ("ffffffff", set()),
}


@pytest.mark.parametrize(
    ("core", "code", "allowed"),
    [
        pytest.param(core, code, core in allowed, id=f"{core}: {name}")
        for table, cores in (
            (THUMB, ("cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m4f", "cortex-m7", "cortex-m33")),
            (RISCV, ("rv32imc", "rv32imac", "rv32imafc")),
        )
        for name, (code, allowed) in table.items()
        for core in cores
    ],
)
def test_an_instruction_passes_where_the_core_executes_it(core: str, code: str, allowed: bool) -> None:
    content = bytes.fromhex(code)
    if allowed:
        check_instructions(content, [(0, len(content))], load_target(core))
    else:
        with pytest.raises(InstructionSetError):
            check_instructions(content, [(0, len(content))], load_target(core))


def test_the_error_names_instruction_place_and_target() -> None:
    content = bytes.fromhex("0120") + bytes.fromhex("20fb0000")
    with pytest.raises(
        InstructionSetError, match=r"smlad r0, r0, r0, r0.* at offset 0x2, which needs dsp; Arm Cortex-M3"
    ):
        check_instructions(content, [(0, 6)], load_target("cortex-m3"))


def test_data_between_code_is_not_read_as_instructions() -> None:
    content = bytes.fromhex("7047") + bytes.fromhex("20fb0000") + bytes.fromhex("7047")
    check_instructions(content, [(0, 2), (6, 8)], load_target("cortex-m0plus"))
    with pytest.raises(InstructionSetError):
        check_instructions(content, [(0, 8)], load_target("cortex-m0plus"))


def test_decoding_goes_on_after_bytes_that_mean_nothing() -> None:
    content = bytes.fromhex("0505ffffffff0505")
    found = list(disassemble(content, [(0, 8)], load_target("rv32imc")))
    assert [(item.address, len(item.raw), bool(item.name)) for item in found] == [
        (0, 2, True),
        (2, 4, False),
        (6, 2, True),
    ]


def test_helium_is_taken_where_it_exists() -> None:
    vaddv = bytes.fromhex("f1ee000f")
    check_instructions(vaddv, [(0, 4)], load_target("cortex-m55"))
    with pytest.raises(InstructionSetError):
        check_instructions(vaddv, [(0, 4)], load_target("cortex-m33"))
