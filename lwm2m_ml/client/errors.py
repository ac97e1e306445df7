"""What can go wrong between a client and the API."""

from lwm2m_ml.errors import Lwm2mMlError

EXIT_CODES = {401: 4, 403: 4, 404: 5, 409: 6}
"""What the command line ends with, by HTTP status."""


class ApiError(Lwm2mMlError):
    """The server answered with a problem; `status` is the HTTP status."""

    def __init__(self, message: str, *, status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.exit_code = EXIT_CODES.get(status, 1)


class ServerUnreachableError(Lwm2mMlError):
    """No server answered at the address."""

    exit_code = 3

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"No server answered at {url} ({reason})",
            hint="Start one with `lwm2m-ml serve`, or name another with --server or LWM2M_ML_SERVER",
        )
