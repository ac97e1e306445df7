"""Sums a profile up by function."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping

from lwm2m_ml.compiler.toolchain import Symbol


def instructions_by_function(profile: Mapping[int, int], symbols: Iterable[Symbol]) -> dict[str, int]:
    """Instructions that each function executed itself, without those it called; the largest first.

    `profile` is a `ModuleRunner`'s, `symbols` are the blob's. What belongs to no function is under an empty name.
    """
    functions = sorted((s for s in symbols if s.is_function and s.size), key=lambda symbol: symbol.offset)
    starts = [function.offset for function in functions]
    sums: Counter[str] = Counter()
    for offset, count in profile.items():
        index = bisect_right(starts, offset) - 1
        inside = index >= 0 and offset < starts[index] + functions[index].size
        sums[functions[index].name if inside else ""] += count
    return dict(sums.most_common())
