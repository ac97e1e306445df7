"""How failures reach people: what happened, and what to do about it."""

import functools
from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from lwm2m_ml.client.errors import ApiError
from lwm2m_ml.errors import Lwm2mMlError
from lwm2m_ml.web.address import ROOT
from lwm2m_ml.web.parts.links import go

UNAUTHORIZED = 401


def show_failure(error: Lwm2mMlError) -> None:
    """Show a failure where the content would have been."""
    with ui.element("div").classes("note bad").props('role="alert"'):
        ui.label(f"{error.message}.").style("font-weight: 600")
        if error.hint:
            ui.label(f"{error.hint}.")


def tell_failure(error: Lwm2mMlError) -> None:
    """Tell of a failure of what somebody has just done; who is logged out by now is shown the way in."""
    if isinstance(error, ApiError) and error.status == UNAUTHORIZED:
        go(f"{ROOT}/login")
        return
    text = f"{error.message}." + (f"\n{error.hint}." if error.hint else "")
    ui.notify(text, type="negative", position="top", timeout=0, close_button="Close", multi_line=True, classes="break")


def tell(text: str) -> None:
    """Tell that something was done."""
    ui.notify(text, type="positive", position="top", timeout=4000)


def told(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """A handler whose failures are told."""

    @functools.wraps(handler)
    async def guarded(*arguments: Any, **named: Any) -> Any:
        try:
            return await handler(*arguments, **named)
        except Lwm2mMlError as error:
            tell_failure(error)
            return None

    return guarded
