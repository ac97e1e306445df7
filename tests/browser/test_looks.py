"""Every page at two widths, light and dark: nothing is cut off, contrast is AA, and pictures are kept to look at.

The pictures are in `browser-pictures/`; git ignores them.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import ROOT, Site, Tab, foreign, log_in, opened, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

PICTURES = ROOT / "browser-pictures"
PAGES = {
    "fleet": "/",
    "device": "/device?endpoint=desk-nrf52840",
    "device-model": "/device?endpoint=desk-nrf52840&tab=Model",
    "device-updates": "/device?endpoint=desk-nrf52840&tab=Updates",
    "device-history": "/device?endpoint=desk-nrf52840&tab=History",
    "device-messages": "/device?endpoint=desk-nrf52840&tab=Messages",
    "models": "/models",
    "model": "/model?name=digits",
    "model-graph": "/model?name=digits&tab=Graph",
    "model-fit": "/model?name=digits&tab=Fit over the fleet",
    "model-deploy": "/model?name=digits&tab=Deploy",
    "compile": "/compile",
    "campaigns": "/campaigns",
    "campaign": "/campaign?id={campaign}",
    "alarms": "/alarms",
    "draw": "/draw",
    "credentials": "/credentials",
    "audit": "/audit",
}
LOOKS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@pytest.fixture(scope="module")
def axe() -> Any:
    return pytest.importorskip("axe_playwright_python.sync_playwright").Axe()


@pytest.fixture(scope="module")
def deployed(site: Site, fleet: tuple[str, ...]) -> str:
    """Something to look at: a model on the devices, with results. Returns the campaign that brought it."""
    with site.client() as client:
        client.deploy("digits")
        until(lambda: all(one.finished for one in client.deployments()), "the deployment ends", 240)
        until(lambda: client.results("desk-nrf52840", newest=3), "results come")
        return client.campaigns()[-1].id


PRESSED = {"alarms": "Show"}
"""What is pressed on a page before it is looked at."""
DRAWN = """() => [...document.querySelectorAll('.chart')].every(
  chart => !chart.offsetParent || chart.querySelector('svg'))"""


def settled(tab: Tab, name: str) -> None:
    """Wait until the page has what it asked for, and its charts are drawn."""
    if name in PRESSED:
        tab.page.get_by_role("button", name=PRESSED[name]).first.click()
        tab.page.wait_for_selector(".chart svg")
    tab.page.wait_for_load_state("networkidle")
    tab.page.wait_for_function(DRAWN)


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_every_page_is_whole_and_readable(
    browser: Any, axe: Any, site: Site, deployed: str, width: int, scheme: str
) -> None:
    PICTURES.mkdir(exist_ok=True)
    found: dict[str, list[str]] = {}
    with opened(browser, width=width, scheme=scheme) as tab:
        tab.page.goto(site.address)
        tab.page.screenshot(path=PICTURES / f"login-{width}-{scheme}.png")
        found["login"] = complaints(axe, tab)
        log_in(tab, site)
        for name, path in PAGES.items():
            tab.go(f"{site.dashboard}{path.format(campaign=deployed)}")
            settled(tab, name)
            tab.page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True)
            found[name] = complaints(axe, tab)
        assert foreign(tab.requests, site) == []
        assert tab.problems == []
    assert {name: problems for name, problems in found.items() if problems} == {}


def complaints(axe: Any, tab: Tab) -> list[str]:
    """What axe finds, and whether the page is wider than the window."""
    # A graph is drawn by Netron in a frame of its own; its looks are Netron's.
    options = {"runOnly": {"type": "tag", "values": RULES}, "iframes": False}
    violations = axe.run(tab.page, options=options).response["violations"]
    nodes = [(one["id"], node) for one in violations for node in one["nodes"][:4]]
    told = [f"{name}: {node['target']} {node['failureSummary'][:300]}" for name, node in nodes]
    wide = tab.page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    return [*told, *(["the page is wider than the window"] if wide else [])]


def test_every_place_is_reached_by_the_keyboard(tab: Tab, site: Site) -> None:
    tab.go(f"{site.dashboard}/")
    reached = set()
    for _ in range(40):
        tab.page.keyboard.press("Tab")
        reached.add(tab.page.evaluate("document.activeElement.innerText || document.activeElement.ariaLabel || ''"))
    names = {text.split("\n")[-1].strip() for text in reached}
    assert {"Models", "Compile", "Campaigns", "Alarms", "Draw a digit", "Credentials", "Audit"} <= names
    assert "Skip to the page" in names


def test_light_and_dark_are_chosen_and_stay(tab: Tab, site: Site) -> None:
    tab.go(f"{site.dashboard}/")
    assert "body--light" in tab.page.get_attribute("body", "class")
    tab.page.click("[aria-label='Light or dark']")
    tab.page.wait_for_selector("body.body--dark")
    tab.go(f"{site.dashboard}/models")
    tab.page.wait_for_selector("body.body--dark")


def test_the_pictures_are_where_git_does_not_look() -> None:
    assert "browser-pictures/" in (Path(ROOT) / ".gitignore").read_text().splitlines()
