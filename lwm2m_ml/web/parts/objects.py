"""Objects and resources by their names: the numbers of this project's own objects are an operator's choice."""

from lwm2m_ml.client.client import AsyncClient

MODEL, PROBE = "ML Model", "ML Probe"


async def number_of(client: AsyncClient, name: str) -> int | None:
    """The number of an object; None when the server has no definition of it."""
    return next((one.id for one in await client.objects() if one.name == name), None)
