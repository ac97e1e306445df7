"""The channels of an input: what its drift reference, and the moments that a device shows, count one by one."""

from lwm2m_ml_simulator.processor.machine import FloatArray


def split(values: FloatArray, channels: int) -> tuple[FloatArray, ...]:
    """Return the values of each channel: of the first axis behind the batch that has as many entries as channels.

    One channel has all values; so has each, where no axis has that many entries.
    """
    axis = next((axis for axis in range(1, values.ndim) if values.shape[axis] == channels), None)
    if channels == 1 or axis is None:
        return (values.reshape(-1),) * channels
    return tuple(values.take(number, axis=axis).reshape(-1) for number in range(channels))
