"""What an operator presses: a campaign is held, let go and ended; a device is told what to do; an alarm is seen."""

import re
from typing import Any

import pytest

from lwm2m_ml.client.schemas.campaigns import CampaignRequest
from tests.browser.conftest import Site, Tab
from tests.browser.drifted import COUNTED, EXPECTED, SUBJECT
from tests.browser.test_devices import choose_instance

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

LONG_MS = 240_000
HOUR = 3600.0
ACTIVATE, DEACTIVATE, TRIAL_PERIOD = 10, 11, 15


def press(tab: Tab, button: str, reason: str = "") -> None:
    """Press a button of the campaign, and give the reason that it asks for."""
    tab.page.get_by_role("button", name=button, exact=True).click()
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_label("Reason, for the story").fill(reason)
    dialog.get_by_role("button", name="Send").click()
    dialog.wait_for(state="detached")


def stands(tab: Tab, state: str) -> None:
    """Wait until the campaign is in a state."""
    tab.page.locator("h1 + .tag", has_text=re.compile(f"^{state}$")).wait_for(timeout=LONG_MS)


def offered(tab: Tab) -> set[str]:
    """The buttons of the campaign that can be seen."""
    return {text.strip().split("\n")[-1] for text in tab.page.locator(".head button:visible").all_inner_texts()}


@pytest.fixture(scope="module")
def steered(site: Site, fleet: tuple[str, ...]) -> str:
    """A campaign to one device, and to another one once an operator approves."""
    phases = [
        {"endpoints": [fleet[0]], "soak": 0.0},
        {"size": "100%", "approval": True, "soak": HOUR},
    ]
    with site.client() as client:
        wanted = CampaignRequest(model="digits", endpoints=list(fleet[:2]), plan={"phases": phases}, name="steered")
        return client.start_campaign(wanted).id


def test_a_campaign_is_paused_resumed_approved_and_cancelled(tab: Tab, site: Site, steered: str) -> None:
    tab.go(f"{site.dashboard}/campaign?id={steered}")
    stands(tab, "awaiting approval")
    assert {"Approve", "Pause", "Cancel", "Roll back"} == offered(tab)
    press(tab, "Pause", "The line is busy")
    stands(tab, "paused")
    assert {"Resume", "Cancel", "Roll back"} == offered(tab)
    press(tab, "Resume")
    stands(tab, "awaiting approval")
    press(tab, "Approve", "Looks well")
    stands(tab, "soaking")
    devices = tab.page.locator("section:has(h2:text-is('Devices')) tbody tr", has_text="active")
    assert devices.count() == 2
    press(tab, "Cancel", "Enough was seen")
    stands(tab, "cancelled")
    assert offered(tab) == set()
    for reason in ("The line is busy", "Looks well", "Enough was seen"):
        tab.page.wait_for_selector(f"td:has-text('{reason}')")


def slot_in_use(site: Site, endpoint: str) -> int:
    """The slot whose module runs."""
    with site.client() as client:
        states = {value.path: value.value for value in client.read(endpoint, "/42770") if value.path.endswith("/11")}
    (path,) = [path for path, state in states.items() if state == 3]
    return int(path.split("/")[2])


def execute(tab: Tab, path: str, name: str) -> None:
    """Execute a resource of the instance that is shown, without arguments."""
    row = tab.page.locator("tr").filter(has=tab.page.get_by_role("cell", name=path, exact=True))
    row.get_by_role("button", name="Execute").click()
    dialog = tab.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Send").click()
    dialog.wait_for(state="detached")
    tab.page.wait_for_selector(f"text='{name} was executed'")


def test_a_module_is_executed_into_its_trial_confirmed_and_rolled_back(
    tab: Tab, site: Site, fleet: tuple[str, ...], steered: str
) -> None:
    endpoint = fleet[0]
    slot = slot_in_use(site, endpoint)
    with site.client() as client:
        client.write(endpoint, f"/42770/{slot}/{TRIAL_PERIOD}", "3600")
    tab.go(f"{site.dashboard}/device?endpoint={endpoint}")
    choose_instance(tab, f"/9/{slot}")
    execute(tab, f"/9/{slot}/{DEACTIVATE}", "Deactivate")
    execute(tab, f"/9/{slot}/{ACTIVATE}", "Activate")

    tab.go(f"{site.dashboard}/device?endpoint={endpoint}&tab=Model")
    state = tab.page.locator(f"h3:has-text('Slot {slot} ') + .tag")
    state.filter(has_text="trial").wait_for()
    tab.page.get_by_role("button", name="Confirm").click()
    state.filter(has_text="active").wait_for()
    assert tab.page.get_by_role("button", name="Confirm").count() == 0
    tab.page.get_by_role("button", name="Roll back").click()
    question = tab.page.get_by_role("dialog")
    question.get_by_role("button", name="Leave it").click()
    question.wait_for(state="detached")
    assert slot_in_use(site, endpoint) == slot
    tab.page.get_by_role("button", name="Roll back").click()
    question.get_by_role("button", name="Roll back").click()
    state.filter(has_text="failed").wait_for()
    assert tab.page.get_by_role("button", name="Roll back").count() == 0


def plotted(tab: Tab, name: str) -> Any:
    """The series of a chart, as ECharts has them."""
    page = tab.page
    chart = page.get_by_role("img", name=name)
    chart.locator("svg").wait_for()
    number = chart.get_attribute("id").removeprefix("c")
    return page.evaluate(f"getElement({number}).chart.getOption().series.map(one => [one.name, one.data])")


def test_a_drift_alarm_is_shown_with_its_plot_and_seen(tab: Tab, site: Site) -> None:
    tab.go(f"{site.dashboard}/alarms")
    row = tab.page.locator("tr", has_text=SUBJECT.endpoint)
    row.get_by_role("button", name="Show").click()
    shares = [round(100 * count / sum(COUNTED), 2) for count in COUNTED]
    assert plotted(tab, f"Distribution of {SUBJECT.feature}, expected and seen") == [
        ["expected", [100 * share for share in EXPECTED]],
        ["seen", shares],
    ]
    row.get_by_role("button", name="Seen").click()
    row.locator(".tag", has_text="seen").wait_for()
    assert row.get_by_role("button", name="Seen").count() == 0
    with site.client() as client:
        (alarm,) = [one for one in client.alarms() if one.endpoint == SUBJECT.endpoint]
    assert alarm.acknowledged_at is not None
    tab.go(f"{site.dashboard}/alarms?endpoint=another")
    tab.page.wait_for_selector("text=There is no alarm")
