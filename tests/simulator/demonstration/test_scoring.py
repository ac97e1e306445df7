"""Scoring counts what was shown, and sees a single wrong integer."""

from lwm2m_ml.client.schemas import ReferenceAnswers, Result
from lwm2m_ml_simulator.demonstration.scoring import best, integers, score

ANSWERS = ReferenceAnswers(outputs=[[-128, 127], [100, -100]], scale=1 / 256, zero_point=-128)


def result(number: int, outputs: list[int]) -> Result:
    scores = [(value + 128) / 256 * 100 for value in outputs]
    return Result(
        id=number,
        number=number,
        slot=0,
        model="digits",
        version="1.0.0",
        lost=0,
        class_index=best(outputs),
        label="",
        confidence=max(scores),
        scores=scores,
        latency=None,
        energy=None,
        received_at=0.0,
    )


def test_equal_answers_are_bit_exact() -> None:
    done = score([result(1, [-128, 127]), result(2, [100, -100])], {1: 0, 2: 1}, [1, 1], ANSWERS)
    assert (done.shown, done.right, done.reference_right, done.bit_exact) == (2, 1, 1, True)


def test_one_unit_of_difference_is_not_bit_exact() -> None:
    done = score([result(1, [-128, 126])], {1: 0}, [1, 1], ANSWERS)
    assert done.right == 1
    assert not done.bit_exact


def test_results_without_an_image_do_not_count() -> None:
    assert score([result(7, [0, 1])], {1: 0}, [1, 1], ANSWERS).shown == 0


def test_nothing_shown_is_not_bit_exact() -> None:
    assert not score([], {}, [], ANSWERS).bit_exact


def test_a_score_between_two_integers_is_recognised() -> None:
    assert integers([50.0, 50.1], ANSWERS) is None
    assert integers([50.0, 50.390625], ANSWERS) == [0, 1]


def test_the_first_of_equal_classes_is_best() -> None:
    assert best([3, 5, 5]) == 1
