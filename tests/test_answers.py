"""Right answers in any style are right; wrong ones are refused, and told why."""

from collections import Counter

import pytest
from answers import RIGHT, WRONG

from course_lib.classroom.checks import check
from course_lib.classroom.exercises import EXERCISES
from course_lib.classroom.ticks import ticks


def name(answer):
    return f"{answer.exercise}-{getattr(answer.function, '__name__', 'object')}"


@pytest.mark.parametrize("answer", RIGHT, ids=name)
def test_a_right_answer_is_right_in_any_style(answer, own_progress, capsys):
    handed_back = check(answer.exercise, answer.function)
    said = capsys.readouterr().out
    assert said.startswith("✓ Right"), said
    assert handed_back is answer.function
    assert ticks() == {answer.exercise: "done"}


@pytest.mark.parametrize("answer", WRONG, ids=name)
def test_a_wrong_answer_is_refused_and_told_why(answer, own_progress, capsys):
    handed_back = check(answer.exercise, answer.function)
    said = capsys.readouterr().out
    assert said.startswith("✗ Not yet"), said
    assert handed_back is not answer.function
    for words in answer.told:
        assert words.lower() in said.lower(), said


def test_every_exercise_is_tried_with_ten_right_answers_and_twelve_wrong_ones_at_least():
    right, wrong = (Counter(answer.exercise for answer in answers) for answers in (RIGHT, WRONG))
    assert {exercise: right[exercise] for exercise in EXERCISES if right[exercise] < 10} == {}
    assert {exercise: wrong[exercise] for exercise in EXERCISES if wrong[exercise] < 12} == {}
