"""Reader of Parquet files, as Hugging Face has images: a column of PNG or JPEG bytes, one of labels.

pyarrow reads, in a process of its own: on some damaged files it ends the process (parquet::ParquetException, which
nothing catches), and one page may say that it decompresses to 2 GiB. So the process has a limit of memory and of time,
and its end is an error of the file.
"""

from __future__ import annotations

import io
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.errors import DataError, require, shown
from benchmarks.plan.data import LABEL, MAX_CLASSES, MAX_IMAGES, Labelled, as_labels
from benchmarks.plan.data.csv_file import LABELS
from benchmarks.plan.data.opening import NUMPY_ALONE, corrupt, open_data, unfit, written

MAX_PARQUET_BYTES = 1 << 30  # of the file, and of what its pictures and labels say they decompress to
MAX_FOOTER_BYTES = 16 << 20
ROWS = 100  # at once: one picture of 1 MiB, in the file once, may stand in each
MAX_MEMORY_BYTES = 4 << 30
MAX_S = 600.0
ROOT = Path(__file__).parents[3]
LABELS_AS = np.uint16
Array = npt.NDArray[Any]


def read_parquet(path: Path) -> Labelled:
    """Return the images of a Parquet file with pictures of one size and labels; DataError with the row, from 1."""
    require("reading a Parquet file", "pyarrow", "PIL", instead=NUMPY_ALONE)
    _judge_footer(path)
    line = [sys.executable, "-m", __name__, str(path)]
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}
    try:
        done = subprocess.run(line, env=variables, capture_output=True, timeout=MAX_S, check=False)
    except subprocess.TimeoutExpired:
        raise DataError(f"dataset corrupt: {shown(path)} was not read within {MAX_S:.0f} s") from None
    said, _, content = done.stdout.partition(b"\n")
    if done.returncode:
        reason = _last(done.stderr)
        raise DataError(f"dataset corrupt: {shown(path)}: damaged, as its reader ended ({reason}); fetch it again")
    answer = json.loads(said)
    if "error" in answer:
        raise DataError(answer["error"])
    rows = answer["shape"][0]
    labels, images = np.frombuffer(content, LABELS_AS, rows), np.frombuffer(content, np.uint8, offset=2 * rows)
    return Labelled(images.reshape(answer["shape"]), as_labels(labels), tuple(answer["remarks"]))


def _last(stderr: bytes) -> str:
    lines = stderr.decode(errors="replace").strip().splitlines()
    return ascii(lines[-1].strip()[:200]) if lines else "without a word"


def _main() -> None:
    """Read the file of the command line; write one line of JSON, then all labels and the pixels of all images."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    try:
        about, *arrays = _read(Path(sys.argv[1]))
    except DataError as error:
        about, arrays = {"error": str(error)}, []
    sys.stdout.buffer.write(json.dumps(about).encode() + b"\n")
    for array in arrays:
        sys.stdout.buffer.write(array.data)


def _read(path: Path) -> tuple[dict[str, Any], Array, Array]:
    """Return the shape of the images and what is left out, the labels (N,), the images."""
    import pyarrow as pa  # noqa: PLC0415 - see errors.py
    from pyarrow import parquet  # noqa: PLC0415

    from benchmarks.plan.data.pictures import Stack  # noqa: PLC0415 - needs Pillow

    try:
        with parquet.ParquetFile(path, pre_buffer=False) as file:
            picture, label, others = _columns(path, file.schema_arrow)
            _judge_sizes(path, file.metadata, (picture.partition(".")[0], label))
            pictures, classes = Stack(), list[int]()
            for batch in file.iter_batches(ROWS, columns=[picture, label], use_threads=False):
                _take(path, batch, pictures, classes)
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise DataError(f"dataset corrupt: {shown(path)}: damaged or cut short ({shown(str(error)[:200])})") from error
    images = pictures.array()
    remarks = [f"{', '.join(map(written, others))} left out"] if others else []
    return {"shape": images.shape, "remarks": remarks}, np.array(classes, LABELS_AS), images


def _judge_footer(path: Path) -> None:
    """Raise DataError for a file, or a footer, of more bytes than one of digits has: pyarrow reads the footer whole."""
    with open_data(path, (b"PAR1",)) as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - 8))
        footer = int.from_bytes(file.read(4), "little")
    if size > MAX_PARQUET_BYTES or footer > MAX_FOOTER_BYTES:
        found = f"{size:,} and {footer:,}"
        wanted = f"at most {MAX_PARQUET_BYTES:,} bytes, {MAX_FOOTER_BYTES:,} of them a footer"
        raise corrupt(path, f"offset {max(0, size - 8)}", wanted, found)


def _columns(path: Path, schema: Any) -> tuple[str, str, list[str]]:
    """Return the column of picture bytes, that of labels, and the others."""
    import pyarrow as pa  # noqa: PLC0415

    binary = (pa.types.is_binary, pa.types.is_large_binary)
    pictures, labels = [], []
    for field in schema:
        if pa.types.is_struct(field.type) and field.type.get_field_index("bytes") >= 0:
            pictures.append(f"{field.name}.bytes")
        elif any(test(field.type) for test in binary):
            pictures.append(field.name)
        elif pa.types.is_integer(field.type):
            labels.append(field.name)
    named = [name for name in labels if name.lower() in LABELS] or labels
    if len(pictures) != 1 or len(named) != 1:
        found = ", ".join(f"{written(field.name)} ({written(str(field.type))})" for field in schema)[:200]
        raise corrupt(path, "its columns", "one of picture bytes and one of labels called label", found)
    taken = {pictures[0].removesuffix(".bytes"), named[0]}
    return pictures[0], named[0], [field.name for field in schema if field.name not in taken]


def _judge_sizes(path: Path, metadata: Any, names: tuple[str, str]) -> None:
    """Raise DataError where the footer promises more than images have: rows, or bytes that are not compressed."""
    if not 1 <= metadata.num_rows <= MAX_IMAGES:
        raise corrupt(path, "its footer", f"1 to {MAX_IMAGES} rows", metadata.num_rows)
    groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
    chunks = [group.column(at) for group in groups for at in range(group.num_columns)]
    size = sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.partition(".")[0] in names)
    if size > MAX_PARQUET_BYTES:
        raise corrupt(path, "its footer", f"at most {MAX_PARQUET_BYTES:,} bytes of pictures and labels", f"{size:,}")


def _take(path: Path, batch: Any, images: Any, labels: list[int]) -> None:
    """Add a batch's pictures to a Stack, and its labels to the others."""
    pictures, classes = batch.columns
    while hasattr(pictures.type, "get_field_index"):  # a struct, of which the bytes alone were read
        pictures = pictures.field(0)
    for picture, label in zip(pictures, classes.to_pylist(), strict=True):
        row = f"row {len(labels) + 1}"
        if label is None or not 0 <= label < MAX_CLASSES:
            raise unfit(path, row, LABEL, "nothing" if label is None else label)
        images.add(picture.as_py() or b"", path, row)
        labels.append(label)


if __name__ == "__main__":
    _main()
