"""Object 0, LwM2M Security: the account of the server; no server but the bootstrap server sees it (Core TS §E.1)."""

from lwm2m_ml_simulator.objects.base import ObjectInstance


class Security(ObjectInstance):
    """The account of one server. It has no readers: every request to it is answered with 4.01."""

    object_id = 0

    def __init__(self, server_uri: str, instance_id: int = 0) -> None:
        super().__init__(instance_id)
        self.server_uri = server_uri
