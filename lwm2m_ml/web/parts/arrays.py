"""What is in a file of arrays, without reading the arrays."""

import io
import zipfile

from lwm2m_ml.errors import InvalidInputError

USUAL = "inputs"
SUFFIX = ".npy"


def array_in(content: bytes) -> str:
    """Name the array of an `.npz` file that holds the inputs: `inputs`, else the first one.

    Raises `InvalidInputError` for a file that holds none.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name.removesuffix(SUFFIX) for name in archive.namelist() if name.endswith(SUFFIX)]
    except zipfile.BadZipFile:
        names = []
    if not names:
        raise InvalidInputError(
            "The calibration file holds no array", hint="Write it with numpy.savez(FILE, inputs=...)"
        )
    return USUAL if USUAL in names else names[0]
