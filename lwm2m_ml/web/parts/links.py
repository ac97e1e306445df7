"""Links and ways to other pages, by whole addresses: NiceGUI's own links put the dashboard's root before them."""

from nicegui import html, ui

from lwm2m_ml.web.address import ROOT


def link(text: str, target: str, *, new_tab: bool = False) -> html.a:
    """A link."""
    anchor = html.a(text, href=target)
    return anchor.props('target="_blank" rel="noopener"') if new_tab else anchor


def go(target: str) -> None:
    """Show another page of the dashboard."""
    ui.navigate.to(target.removeprefix(ROOT))
