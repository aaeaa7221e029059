"""What is said of misread images: the matrix agrees with the accuracy, the worst come first."""

from __future__ import annotations

import numpy as np

from benchmarks.worker.train import MOST_CLASSES, SHOWN, _columns


def logits(read_as, sure):
    """Return outputs that read each image as asked, the surer the larger."""
    outputs = np.zeros((len(read_as), 10))
    outputs[np.arange(len(read_as)), read_as] = sure
    return outputs


def test_confusion_counts_label_by_class_read():
    found = _columns(logits([3, 3, 5, 9], [1.0] * 4), np.array([3, 5, 5, 4]), "cross_entropy", 10)
    matrix = np.array(found["confusion"]).reshape(10, 10)
    assert (matrix[3, 3], matrix[5, 3], matrix[5, 5], matrix[4, 9], matrix.sum()) == (1, 1, 1, 1, 4)


def test_the_surest_mistakes_come_first_and_what_is_right_is_none():
    found = _columns(logits([1, 2, 3, 4], [1.0, 5.0, 9.0, 3.0]), np.array([0, 0, 3, 0]), "cross_entropy", 10)
    assert (found["mistakes"], found["mistakes_read_as"]) == ([1, 3, 0], [2, 4, 1])


def test_no_more_than_a_page_shows_are_kept():
    found = _columns(logits([1] * 50, np.arange(50.0)), np.zeros(50, np.int64), "cross_entropy", 10)
    assert found["mistakes"] == list(range(49, 49 - SHOWN, -1))


def test_a_regression_may_read_what_is_no_digit():
    found = _columns(np.array([[2.4], [11.0], [-1.2]]), np.array([2, 9, 0]), "mean_squared_error", 10)
    matrix = np.array(found["confusion"]).reshape(10, 10)
    assert (matrix[2, 2], matrix.sum()) == (1, 1)
    assert (found["mistakes"], found["mistakes_read_as"]) == ([1, 2], [11, -1])


def test_a_model_with_more_outputs_than_classes_may_read_what_is_none():
    found = _columns(logits([3, 1, 9], [1.0] * 3), np.array([3, 1, 2]), "cross_entropy", 4)
    matrix = np.array(found["confusion"]).reshape(4, 4)
    assert (matrix[3, 3], matrix[1, 1], matrix.sum()) == (1, 1, 2)
    assert found["mistakes_read_as"] == [9]


def test_a_row_has_no_confusion_of_more_classes_than_a_page_shows():
    outputs, labels = np.eye(MOST_CLASSES + 1), np.arange(MOST_CLASSES + 1)
    assert len(_columns(outputs, labels, "cross_entropy", MOST_CLASSES)["confusion"]) == MOST_CLASSES**2
    assert _columns(outputs, labels, "cross_entropy", MOST_CLASSES + 1) == {"mistakes": [], "mistakes_read_as": []}
