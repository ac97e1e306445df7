"""Buttons that act: busy while they do, with the failure told, and with a question before what cannot be undone."""

from collections.abc import Awaitable, Callable

from nicegui import ui

from lwm2m_ml.web.parts.telling import told

Act = Callable[[], Awaitable[None]]


def act_button(text: str, act: Act, *, icon: str = "", kind: str = "", question: str = "") -> ui.button:
    """A button; `kind` is main, bad, bare or tight, `question` is asked first."""

    async def press() -> None:
        # The page is the context, not the button: what is around the button may be built anew meanwhile, and a
        # question or a message would go with it.
        with ui.context.client:
            if not question or await asked(question, text):
                await busy()

    async def busy() -> None:
        button.props("loading")
        button.disable()
        try:
            await told(act)()
        finally:
            if not button.is_deleted:
                button.props(remove="loading")
                button.enable()

    button = ui.button(text, icon=icon or None, color=None, on_click=press).props("unelevated no-caps")
    return button.classes(f"act {kind}")


async def asked(question: str, yes: str) -> bool:
    """Ask before something is done; Escape and the first button mean no."""
    with ui.dialog() as dialog, ui.card().classes("panel").style("max-width: 460px"):
        ui.label(question)
        with ui.row().classes("row-of").style("justify-content: flex-end"):
            ui.button("Leave it", color=None, on_click=lambda: dialog.submit(False)).props(
                "unelevated no-caps"
            ).classes("act")
            ui.button(yes, color=None, on_click=lambda: dialog.submit(True)).props("unelevated no-caps").classes(
                "act bad"
            )
    answer = bool(await dialog)
    dialog.delete()
    return answer
