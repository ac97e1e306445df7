"""The errors a user can meet: each says what happened, to what, and what to do about it."""


class Lwm2mMlError(Exception):
    """Root of every error that reaches a user.

    `message` is one sentence without a full stop; `hint`, when there is something to do, is another.
    The command line prints both and ends with `exit_code`.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}. {self.hint}." if self.hint else f"{self.message}."


class UsageError(Lwm2mMlError):
    """The caller asked for something that cannot be asked for: wrong argument, missing file, unknown name."""

    exit_code = 2


class InvalidInputError(Lwm2mMlError):
    """Data from outside (a model, a package, a payload, a file) is malformed or beyond a limit."""


class NotFoundError(Lwm2mMlError):
    """Something named does not exist."""


class ConflictError(Lwm2mMlError):
    """The request contradicts the present state."""


class UnavailableError(Lwm2mMlError):
    """The service cannot do this at present; later it may."""


class MissingExtraError(Lwm2mMlError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} is not installed", hint=f"Install it with: pip install 'lwm2m-ml[{extra}]'")


class MissingToolError(Lwm2mMlError):
    """A program that the work needs is not on this machine."""
