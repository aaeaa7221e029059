import numpy as np
import pytest

from benchmarks.plan.data import as_labels, content_sha256, dataset, every_fifth


def test_every_fifth_of_each_class_in_file_order(make):
    images, _ = make.digits(23)
    labels = np.array([3] * 11 + [0] * 4 + [3] * 8, dtype=np.uint8)
    train_images, train_labels, test_images, test_labels = every_fifth(images, labels)
    wanted = [4, 9, 18]  # the 5th, 10th and 15th image of a three; the four zeros all stay
    np.testing.assert_array_equal(test_images, images[wanted])
    np.testing.assert_array_equal(train_images, np.delete(images, wanted, axis=0))
    assert test_labels.tolist() == [3] * 3
    assert train_labels.tolist() == np.delete(labels, wanted).tolist()


def test_the_checksum_follows_the_content(make):
    arrays = (*make.digits(10), *make.digits(5, 1))
    first = dataset("a", arrays, "here")
    assert dataset("b", tuple(array.copy(order="F") for array in arrays), "there").sha256 == first.sha256
    for at in range(4):
        changed = [array.copy() for array in arrays]
        changed[at].ravel()[0] ^= 1
        assert dataset("a", tuple(changed), "here").sha256 != first.sha256


def test_the_checksum_knows_train_from_test():
    def blank(count):
        return np.zeros((count, 28, 28), dtype=np.uint8), np.zeros(count, dtype=np.uint8)

    assert dataset("a", (*blank(6), *blank(3)), "").sha256 != dataset("a", (*blank(3), *blank(6)), "").sha256


@pytest.mark.parametrize("part", ["train", "test"])
def test_counts_that_differ_are_refused(make, refused, part):
    good, bad = make.digits(5), (make.digits(6)[0], make.digits(5)[1])
    arrays = (*bad, *good) if part == "train" else (*good, *bad)
    refused(lambda: dataset("a", arrays, ""), part, "6 images and 5 labels")


def test_wrong_shapes_are_refused(make, refused):
    images, labels = make.digits(5)
    refused(lambda: dataset("a", (labels, images, images, labels), ""), "expected images (N, H, W) or (N, C, H, W)")
    refused(lambda: dataset("a", (images[:0], labels[:0], images, labels), ""), "N > 0")


def test_grey_images_have_one_channel_and_the_checksum_that_they_had_without(make):
    arrays = (*make.digits(10), *make.digits(5, 1))
    data = dataset("a", arrays, "here")
    assert (data.image_shape, data.classes) == ((1, 28, 28), 10)
    np.testing.assert_array_equal(data.train_images[:, 0], arrays[0])
    assert data.sha256 == content_sha256(arrays) == content_sha256(data.arrays)


def test_channels_decide_the_checksum():
    pixels, labels = np.arange(48, dtype=np.uint8), np.array([0, 1], np.uint8)
    colours, tall = pixels.reshape(2, 3, 2, 4), pixels.reshape(2, 6, 4)
    assert dataset("a", (colours, labels) * 2, "").sha256 != dataset("a", (tall, labels) * 2, "").sha256


def test_parts_of_two_sizes_are_refused(make, refused):
    images, labels = make.digits(5)
    small = images[:, :8, :8]
    refused(lambda: dataset("a", (images, labels, small, labels), ""), "found 1x28x28 to train on and 1x8x8 to test on")


def test_labels_beyond_a_byte_have_two_in_both_parts(make):
    images, labels = make.digits(5)
    data = dataset("a", (images, labels, images, as_labels(np.array([0, 1, 2, 299, 4]))), "")
    assert data.train_labels.dtype == data.test_labels.dtype == np.uint16
    assert data.classes == 300
