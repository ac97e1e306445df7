"""Writes captured inputs as an `.npz` file; runs in a worker, for numpy has no place in the server's process."""

import io
from collections.abc import Sequence

from lwm2m_ml.store.captures import CaptureRecord

UNKNOWN = -1
"""The number of a result that a device did not tell, and the class of one that nobody judged."""


def capture_file(records: Sequence[CaptureRecord], labels: Sequence[int]) -> bytes:
    """Return the file: integers become real values by the scale and zero point of the tensor they are of.

    Inputs of another shape than the first one's are left out: another version of the model took them.
    """
    import numpy  # noqa: PLC0415

    shape = tuple(records[0].tensor["shape"])
    kept = [
        (record, label) for record, label in zip(records, labels, strict=True) if tuple(record.tensor["shape"]) == shape
    ]
    inputs = [
        (
            numpy.frombuffer(record.content, dtype=record.tensor["dtype"]).astype(numpy.float32)
            - record.tensor["zero_point"]
        )
        * numpy.float32(record.tensor["scale"])
        for record, _ in kept
    ]
    file = io.BytesIO()
    numpy.savez_compressed(
        file,
        inputs=numpy.stack(inputs).reshape(len(kept), *shape[1:]).astype(numpy.float32),
        labels=numpy.asarray([label for _, label in kept], dtype=numpy.int64),
        numbers=numpy.asarray([UNKNOWN if record.number is None else record.number for record, _ in kept]),
        series=numpy.asarray([record.series for record, _ in kept], dtype=numpy.int64),
        endpoints=numpy.asarray([record.endpoint for record, _ in kept]),
        captured_at=numpy.asarray([record.captured_at for record, _ in kept]),
    )
    return file.getvalue()
