"""The runtime helpers, executed on the emulated cores and compared with Python's integers and floats."""

import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lwm2m_ml.compiler.emulator import ModuleRunner
from lwm2m_ml.compiler.targets import load_target
from lwm2m_ml.compiler.toolchain import compile_blob

CORES = ("cortex-m0plus", "cortex-m4f", "rv32imc", "x86-64", "aarch64")

ARITHMETIC = """
#include <stdint.h>
typedef struct { int64_t a, b; int64_t s; uint64_t r[24]; } work;
int32_t module_invoke(work *w) {
  int64_t a = w->a, b = w->b; uint64_t ua = (uint64_t)a, ub = (uint64_t)b; int s = (int)w->s;
  int32_t la = (int32_t)a, lb = (int32_t)b; uint64_t *r = w->r;
  r[0] = ua * ub, r[1] = ua << s, r[2] = ua >> s, r[3] = (uint64_t)(a >> s);
  r[4] = (uint64_t)(a / b), r[5] = (uint64_t)(a % b), r[6] = ua / ub, r[7] = ua % ub;
  r[8] = (uint32_t)(la / lb), r[9] = (uint32_t)(la % lb);
  r[10] = (uint32_t)la / (uint32_t)lb, r[11] = (uint32_t)la % (uint32_t)lb;
  r[12] = (uint64_t)__builtin_clz((uint32_t)la | 1), r[13] = (uint64_t)__builtin_ctzll(ua | 1ull << 63);
  r[14] = (uint64_t)__builtin_popcount((uint32_t)la), r[15] = (uint64_t)__builtin_clzll(ua | 1);
  r[16] = (uint64_t)__builtin_popcountll(ua), r[17] = a < b, r[18] = ua < ub;
  r[19] = (uint64_t)((int64_t)la * lb), r[20] = (uint64_t)__builtin_ctz((uint32_t)la | 1u << 31);
  return 0;
}
"""
MASK = (1 << 64) - 1


def truncated(a: int, b: int) -> tuple[int, int]:
    """C's division: the quotient rounds towards zero."""
    quotient = abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)
    return quotient, a - quotient * b


def signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def expected_results(a: int, b: int, shift: int) -> list[int]:
    ua, ub = a & MASK, b & MASK
    la, lb = signed(a, 32), signed(b, 32)
    ula, ulb = la & 0xFFFF_FFFF, lb & 0xFFFF_FFFF
    lowest = ua | 1 << 63
    low_bit = ula | 1 << 31
    return [
        ua * ub & MASK,
        ua << shift & MASK,
        ua >> shift,
        a >> shift & MASK,
        *(x & MASK for x in truncated(a, b)),
        ua // ub,
        ua % ub,
        *(x & 0xFFFF_FFFF for x in truncated(la, lb)),
        ula // ulb,
        ula % ulb,
        32 - (ula | 1).bit_length(),
        (lowest & -lowest).bit_length() - 1,
        ula.bit_count(),
        64 - (ua | 1).bit_length(),
        ua.bit_count(),
        a < b,
        ua < ub,
        la * lb & MASK,
        (low_bit & -low_bit).bit_length() - 1,
    ]


@pytest.fixture(scope="module")
def runners() -> dict[str, ModuleRunner]:
    return {
        core: ModuleRunner(
            compile_blob({"m.c": ARITHMETIC}, load_target(core)).code,
            load_target(core),
            arena_bytes=24 + 24 * 8,
            stack_bytes=1024,
        )
        for core in CORES
    }


NUMBERS = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-300, 300), st.sampled_from((1 << 31, -1 << 31))
)


@pytest.mark.parametrize("core", CORES)
@given(NUMBERS, NUMBERS.filter(lambda b: signed(b, 32) != 0), st.integers(0, 63))
@example(-(1 << 63), 1, 63)
@example((1 << 63) - 1, -1, 32)
@example(-1, (1 << 62) + 1, 31)
@settings(max_examples=150, deadline=None)
def test_integers_behave_like_integers(runners: dict[str, ModuleRunner], core: str, a: int, b: int, shift: int) -> None:
    overflows = (a == -(1 << 63) and b == -1) or (signed(a, 32) == -(1 << 31) and signed(b, 32) == -1)
    if overflows:
        return
    done = runners[core].invoke([(0, struct.pack("<3q", a, b, shift))], [(24, 21 * 8)])
    assert list(struct.unpack("<21Q", done.outputs[0])) == expected_results(a, b, shift)


def test_only_what_is_called_is_linked() -> None:
    blob = compile_blob(
        {"m.c": "long long module_invoke(long long a, int b) { return a << b; }"}, load_target("cortex-m0plus")
    )
    assert "__aeabi_llsl" in blob.symbols
    assert not {"__aeabi_lmul", "memcpy", "__udivmoddi4"} & set(blob.symbols)
    assert len(blob.code) < 100


MEMORY = """
#include <stddef.h>
void *memcpy(void *, const void *, size_t); void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t); int memcmp(const void *, const void *, size_t);
int module_invoke(unsigned char *arena) {
  unsigned char *x = arena + 8; int to = arena[0], from = arena[1], n = arena[2], what = arena[3];
  if (what == 0) memcpy(x + to, x + from, n);
  if (what == 1) memmove(x + to, x + from, n);
  if (what == 2) memset(x + to, from, n);
  if (what == 3) arena[4] = (unsigned char)(memcmp(x + to, x + from, n) < 0);
  return 0;
}
"""


@pytest.fixture(scope="module")
def memory_runners() -> dict[str, ModuleRunner]:
    return {
        core: ModuleRunner(
            compile_blob({"m.c": MEMORY}, load_target(core)).code, load_target(core), arena_bytes=264, stack_bytes=512
        )
        for core in CORES
    }


@pytest.mark.parametrize("core", CORES)
@given(
    st.integers(0, 120),
    st.integers(0, 120),
    st.integers(0, 120),
    st.integers(0, 3),
    st.binary(min_size=256, max_size=256),
)
@settings(max_examples=100, deadline=None)
def test_memory_functions_move_the_right_bytes(
    memory_runners: dict[str, ModuleRunner], core: str, to: int, source: int, count: int, what: int, content: bytes
) -> None:
    if what == 0 and abs(to - source) < count:
        source, to, count = 0, 125, min(count, 120)
    after = memory_runners[core].invoke([(0, bytes([to, source, count, what, 9])), (8, content)], [(0, 264)]).outputs[0]
    wanted = bytearray(content)
    if what in (0, 1):
        wanted[to : to + count] = content[source : source + count]
    elif what == 2:
        wanted[to : to + count] = bytes([source]) * count
    else:
        assert after[4] == (content[to : to + count] < content[source : source + count])
    assert after[8:] == bytes(wanted)


def test_soft_floating_point_comes_from_the_compilers_own_library() -> None:
    source = "int module_invoke(float *a) { a[2] = a[0] * a[1] + 1.5f; return 0; }"
    target = load_target("cortex-m0plus")
    blob = compile_blob({"m.c": source}, target)
    assert "__aeabi_fmul" in blob.symbols
    runner = ModuleRunner(blob.code, target, arena_bytes=16, stack_bytes=512)
    done = runner.invoke([(0, struct.pack("<2f", 2.5, -3.0))], [(8, 4)])
    assert struct.unpack("<f", done.outputs[0]) == (-6.0,)
