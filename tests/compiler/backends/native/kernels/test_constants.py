"""How drivers get their lengths: literals where all sharers agree, else from the constants in front of the rest."""

import numpy
import pytest

from lwm2m_ml.compiler.backends.native.kernels.constants import LARGEST_LENGTH, byte_words, driver

REST = numpy.array([7, 8], numpy.uint32)


def test_lengths_on_which_all_sharers_agree_become_literals() -> None:
    text, words = driver("WIDTH * HEIGHT + $REST", {"WIDTH": 3, "HEIGHT": -4}, [{"WIDTH": 3, "HEIGHT": -4}] * 2, REST)
    assert text == "(3) * (-4) + (constants + 0)"
    assert words.tolist() == [7, 8]


def test_lengths_that_differ_are_read_in_front_of_the_rest() -> None:
    shapes = [{"WIDTH": 3, "LOW": -5, "SAME": 1}, {"WIDTH": 9, "LOW": 4, "SAME": 1}]
    texts = {driver("WIDTH + LOW + SAME, $REST", shape, shapes, REST)[0] for shape in shapes}
    assert texts == {"((const uint16_t *)constants)[1] + ((const int16_t *)constants)[0] + (1), (constants + 1)"}
    _, words = driver("WIDTH + LOW + SAME", shapes[0], shapes, REST)
    assert words.view(numpy.int16)[:2].tolist() == [-5, 3]
    assert words[1:].tolist() == [7, 8]


@pytest.mark.parametrize("order", [1, -1])
def test_order_in_which_a_shape_is_given_does_not_matter(order: int) -> None:
    shape = dict([("A", 1), ("B", 2), ("C", 3)][::order])
    text, words = driver("A B C", shape, [shape, {"A": 0, "B": 0, "C": 0}], REST)
    assert text == " ".join(f"((const uint16_t *)constants)[{index}]" for index in range(3))
    assert words.view(numpy.int16)[:4].tolist() == [1, 2, 3, 0]


def test_lengths_that_the_text_does_not_name_take_no_room() -> None:
    assert driver("A", {"A": 1, "B": 2}, [{"A": 2, "B": 3}], REST)[1].size == 1 + REST.size


def test_lengths_beyond_sixteen_bits_become_literals() -> None:
    shape = {"A": LARGEST_LENGTH}
    assert driver("A", shape, [shape, {"A": 1}], REST)[0] == f"({LARGEST_LENGTH})"


def test_bytes_are_filled_up_to_words() -> None:
    words = byte_words(numpy.array([[1, -1], [2, 3], [4, 5]], numpy.int8))
    assert words.view(numpy.int8).tolist() == [1, -1, 2, 3, 4, 5, 0, 0]
