"""The expression language: against Python's own arithmetic, and against whatever text somebody writes."""

import math
import operator
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lwm2m_ml.lwm2m.expressions import ExpressionError, evaluate, is_true, names, parse
from lwm2m_ml.lwm2m.expressions.parser import MAXIMUM_DEPTH, MAXIMUM_LENGTH

LABELS = {"light": 40.0, "temperature": -3.5, "zero": 0.0}


def value(text: str, **inputs: object) -> object:
    return evaluate(parse(text), {**LABELS, **inputs})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 + 2 * 3", 7.0),
        ("(1 + 2) * 3", 9.0),
        ("10 - 4 - 3", 3.0),
        ("2 * -3", -6.0),
        ("-light + 1", -39.0),
        ("not light > 50", 1.0),
        ("not zero and light", 1.0),
        ("light < 50 and temperature < 0", 1.0),
        ("light < 50 and temperature > 0 or true", 1.0),
        ("1.5e1 + .5", 15.5),
        ("7 % 4", 3.0),
        ("-7 % 4", -3.0),
        ("round(2.5) + round(-2.5)", 0.0),
        ("clamp(light, 0, 10)", 10.0),
        ("if(light < 50, 1, 2)", 1.0),
        ("min(3, 1, 2) + max(3, 1, 2)", 4.0),
        ("pow(2, 10)", 1024.0),
    ],
)
def test_arithmetic_comparison_and_logic(text: str, expected: float) -> None:
    assert value(text) == expected


def test_lists_go_element_by_element() -> None:
    assert value("(scores - 1) * 2", scores=(1, 2, 3)) == (0.0, 2.0, 4.0)
    assert value("scores > 1", scores=(1, 2, 3)) == (0.0, 1.0, 1.0)
    assert value("if(scores > 1, scores, 0)", scores=(1, 2, 3)) == (0.0, 2.0, 3.0)


def test_lists_become_one_number() -> None:
    scores = (10.0, 70.0, 20.0)
    assert value("position(scores)", scores=scores) == 1.0
    assert value("largest(scores) - smallest(scores)", scores=scores) == 60.0
    assert value("mean(scores)", scores=scores) == pytest.approx(100 / 3)
    assert value("sum(scores) + count(scores)", scores=scores) == 103.0
    assert value("deviation(scores)", scores=(1.0, 3.0)) == 1.0


@pytest.mark.parametrize(
    "text", ["1 / 0", "sqrt(-1)", "log(0)", "exp(1e6)", "1 % 0", "missing", "mean(nothing)", "a + b"]
)
def test_what_has_no_value_is_not_a_number_and_false(text: str) -> None:
    found = value(text, nothing=(), a=(1, 2), b=(1, 2, 3))
    assert isinstance(found, float)
    assert math.isnan(found)
    assert not is_true(found)


def test_a_comparison_with_what_has_no_value_is_false() -> None:
    assert value("missing < 1 or missing >= 1") == 0.0


def test_a_list_is_true_when_all_of_it_is() -> None:
    assert is_true((1.0, 2.0))
    assert not is_true((1.0, 0.0))
    assert not is_true(())


def test_the_labels_that_are_used_are_told() -> None:
    assert names(parse("max(light, 3) > temperature and true")) == {"light", "temperature"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "ends too early at character 0"),
        ("1 +", "ends too early at character 3"),
        ("1 2", "'2' is out of place at character 2"),
        ("(1", "ends too early at character 2, '\\)' is expected"),
        ("1 $ 2", "'\\$' at character 2"),
        ("while(1)", "no function 'while' at character 0; known: abs"),
        ("clamp(1)", "clamp at character 0 takes 3 arguments"),
        ("min()", "'\\)' is out of place"),
        ("and 1", "'and' is out of place at character 0"),
        ("1" * (MAXIMUM_LENGTH + 1), "at most 512 characters"),
        ("(" * 200, f"More than {MAXIMUM_DEPTH} levels"),
        ("-" * 200 + "1", f"More than {MAXIMUM_DEPTH} levels"),
        ("not " * 60 + "1", f"More than {MAXIMUM_DEPTH} levels"),
        ("1" + "+1" * 100, f"More than {MAXIMUM_DEPTH} levels"),
    ],
)
def test_what_is_no_expression_is_refused_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(ExpressionError, match=complaint):
        parse(text)


@given(st.text(max_size=600))
def test_any_text_is_an_expression_or_the_one_error(text: str) -> None:
    try:
        expression = parse(text)
    except ExpressionError:
        return
    evaluate(expression, {})


PIECES = "1 0 1e308 light many true ( ) , + - * / % < == and or not min( if( mean( position( pow( exp("
_pieces = st.sampled_from(PIECES.split())


@given(st.lists(_pieces, max_size=60))
def test_whatever_is_read_has_a_value(pieces: list[str]) -> None:
    try:
        expression = parse(" ".join(pieces))
    except ExpressionError:
        return
    found = evaluate(expression, {"light": 1e300, "many": (0.0, math.inf, math.nan)})
    assert isinstance(found, float | tuple)
    is_true(found)


_BINARY: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "and": lambda one, other: bool(one) and bool(other),
    "or": lambda one, other: bool(one) or bool(other),
}
_leaves = st.integers(0, 1000).map(lambda number: (str(number), float(number)))
_trees = st.recursive(
    _leaves,
    lambda inner: st.tuples(inner, st.sampled_from(sorted(_BINARY)), inner).map(
        lambda parts: (
            f"({parts[0][0]} {parts[1]} {parts[2][0]})",
            float(_BINARY[parts[1]](parts[0][1], parts[2][1])),
        )
    ),
    max_leaves=12,
)


@given(_trees)
def test_values_are_those_of_python(tree: tuple[str, float]) -> None:
    text, expected = tree
    assert evaluate(parse(text), {}) == expected
