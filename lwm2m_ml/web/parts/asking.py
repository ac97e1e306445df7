"""A dialog that asks for a text."""

from nicegui import html, ui


async def ask(title: str, label: str, value: str = "", hint: str = "", *, lines: bool = False) -> str | None:
    """Ask for a text, of several lines if wanted; None when somebody thought better of it."""
    with ui.dialog() as dialog, ui.card().classes("panel").style("min-width: min(420px, 90vw)"):
        html.h2(title)
        box = ui.textarea(label, value=value) if lines else ui.input(label, value=value)
        box.props(f'outlined autofocus hint="{hint}"').style("width: 100%")

        def send() -> None:
            dialog.submit(box.value or "")

        with html.div().classes("row-of").style("justify-content: flex-end"):
            ui.button("Cancel", color=None, on_click=dialog.close).props("unelevated no-caps").classes("act")
            ui.button("Send", color=None, on_click=send).props("unelevated no-caps").classes("act main")
        if not lines:
            box.on("keydown.enter", send)
    answer = await dialog
    dialog.delete()
    return None if answer is None else str(answer)
