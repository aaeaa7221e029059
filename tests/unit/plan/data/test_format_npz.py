import numpy as np
import pytest

from benchmarks.plan.data import readers
from benchmarks.plan.data.readers import read_npz

NAMES = ("x_train", "y_train", "x_test", "y_test")


def write(path, *arrays, **others):
    np.savez(path, **dict(zip(NAMES, arrays, strict=False)), **others)
    return path


@pytest.mark.parametrize("shape", [(-1, 28, 28), (-1, 784), (-1, 28, 28, 1), (-1, 1, 28, 28)])
@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float16, np.float32, np.float64, ">i2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_shapes_and_types(tmp_path, make, shape, kind, order):
    images, labels = make.digits(20)
    arrays = images.reshape(shape).astype(kind, order), labels[:, None].astype(kind)
    train, test = read_npz(write(tmp_path / "d.npz", *arrays, *arrays, more=np.zeros(3)))
    for found in (train, test):
        np.testing.assert_array_equal(found.images, images)
        np.testing.assert_array_equal(found.labels, labels)
        assert found.images.dtype == found.labels.dtype == np.uint8
    assert train.remarks == ("more left out",)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_pixels_from_0_to_1(tmp_path, make, kind):
    images, labels = make.digits(2100)  # some blocks
    arrays = (images / 255).astype(kind), labels
    np.testing.assert_array_equal(read_npz(write(tmp_path / "d.npz", *arrays, *arrays))[0].images, images)


def test_black_and_white(tmp_path, make):
    images, labels = make.digits(20)
    train, _ = read_npz(write(tmp_path / "d.npz", images > 127, labels, images, labels))
    np.testing.assert_array_equal(train.images, np.where(images > 127, 255, 0))


IMAGES, LABELS = np.zeros((5, 28, 28), np.uint8), np.arange(5)
ODD = IMAGES.astype(float)
ODD[3, 0, 7] = np.nan


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        (
            (IMAGES, LABELS, IMAGES),
            "its names: expected arrays x_train, y_train, x_test, y_test, or images and labels, found x_train, y_train",
        ),
        ((IMAGES, LABELS + 996, IMAGES, LABELS), "label 4: expected a label 0-999, found 1000; images of one size fit"),
        ((IMAGES, LABELS - 0.5, IMAGES, LABELS), "y_train, label 0: expected a label 0-999, found -0.5"),
        ((IMAGES, np.eye(10), IMAGES, LABELS), "y_train: expected labels (N,)"),
        (
            (IMAGES.astype(int) - 1, LABELS, IMAGES, LABELS),
            "image 0, pixel 0: expected a pixel 0-255 or 0..1, found -1",
        ),
        ((ODD, LABELS, IMAGES, LABELS), "x_train, image 3, pixel 7: expected a pixel 0-255 or 0..1, found nan"),
        ((IMAGES, LABELS, IMAGES[:0], LABELS), "x_test: expected images (N, H, W), (N, H, W, C), (N, C, H, W)"),
        ((IMAGES.reshape(5, 16, 49)[..., None, None], LABELS, IMAGES, LABELS), "found uint8 (5, 16, 49, 1, 1)"),
        ((np.zeros((5, 785), np.uint8), LABELS, IMAGES, LABELS), "found uint8 (5, 785)"),
        ((np.zeros((5, 8, 8, 5), np.uint8), LABELS, IMAGES, LABELS), "found uint8 (5, 8, 8, 5)"),
        ((np.zeros((1, 1025, 8), np.uint8), LABELS, IMAGES, LABELS), "found uint8 (1, 1025, 8)"),
        ((IMAGES, LABELS, IMAGES.astype("U3"), LABELS), "found <U3 (5, 28, 28)"),
        ((IMAGES, LABELS, IMAGES + 0j, LABELS), "found complex128"),
        ((IMAGES, LABELS, IMAGES.view("V1"), LABELS), "x_test: expected images"),
        ((np.float32(3), LABELS, IMAGES, LABELS), "x_train: expected images"),
    ],
)
def test_what_are_no_images(tmp_path, refused, arrays, words):
    refused(lambda: read_npz(write(tmp_path / "d.npz", *arrays)), tmp_path, words)


def test_bounds(tmp_path, refused, monkeypatch):
    path = write(tmp_path / "d.npz", IMAGES, LABELS, IMAGES, LABELS)
    monkeypatch.setattr(readers, "MAX_ARRAY_BYTES", IMAGES.nbytes)
    read_npz(path)
    monkeypatch.setattr(readers, "MAX_ARRAY_BYTES", IMAGES.nbytes - 1)
    refused(lambda: read_npz(path), "x_train", "save it as uint8")
    monkeypatch.setattr(readers, "MAX_IMAGES", 4)
    refused(lambda: read_npz(path), "N from 1 to 4")
    monkeypatch.undo()
    monkeypatch.setattr(readers, "MAX_BYTES", IMAGES.size - 1)
    refused(lambda: read_npz(path), "x_train: expected at most 3,919 pixels in all")


def test_another_zip_archive(tmp_path, refused):
    (tmp_path / "d.npz").write_bytes(b"PK\3\4" + bytes(100))
    refused(lambda: read_npz(tmp_path / "d.npz"), "damaged or cut short")


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("last", [False, True])
def test_colours(tmp_path, channels, last):
    images = np.random.default_rng(0).integers(0, 256, (6, channels, 5, 7), np.uint8)
    given = np.moveaxis(images, 1, 3) if last else images
    train, _ = read_npz(write(tmp_path / "d.npz", given, np.arange(6), given, np.arange(6)))
    np.testing.assert_array_equal(train.images, images)
    assert train.images.flags.c_contiguous


@pytest.mark.parametrize("name", ["labels", "target"])
def test_one_list(tmp_path, name):
    labels = np.array([0, 1, 999, 2, 255])
    np.savez(tmp_path / "d.npz", images=IMAGES, **{name: labels}, DESCR="words")
    train, test = read_npz(tmp_path / "d.npz")
    assert test is None
    assert train.labels.tolist() == labels.tolist()
    assert train.labels.dtype == np.uint16
    assert train.remarks == ("DESCR left out",)
