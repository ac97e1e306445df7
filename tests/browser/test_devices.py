"""The fleet and a device: found, read, written, executed, observed, listened to."""

import pytest

from tests.browser.conftest import Site, Tab

pytestmark = pytest.mark.browser


def test_a_device_is_found_by_name_and_by_conditions(tab: Tab, site: Site, fleet: tuple[str, ...]) -> None:
    tab.go(f"{site.dashboard}/")
    rows = tab.page.locator("tbody tr")
    tab.page.wait_for_selector(f"a:has-text('{fleet[0]}')")
    assert rows.count() == len(fleet)
    tab.page.get_by_label("Search a name").fill("esp32")
    tab.page.wait_for_function("document.querySelectorAll('tbody tr').length === 1")
    tab.page.get_by_label("Search a name").fill("")
    tab.page.click("text=Filter by conditions")
    tab.page.get_by_label("Conditions", exact=True).fill("target=nrf52840")
    tab.page.wait_for_function("document.querySelectorAll('tbody tr').length === 1")
    tab.page.get_by_label("Conditions", exact=True).fill("nonsense")
    tab.page.wait_for_selector("text=is no condition")


def choose_instance(tab: Tab, path: str) -> None:
    """Choose an object instance by its path."""
    tab.page.get_by_label("Object instance").click()
    tab.page.locator(".q-menu .q-item", has_text=f"{path} ").click()
    tab.page.wait_for_selector(f"td:has-text('{path}/')")


def test_resources_are_read_written_and_observed(tab: Tab, site: Site, fleet: tuple[str, ...]) -> None:
    tab.go(f"{site.dashboard}/device?endpoint={fleet[1]}")
    choose_instance(tab, "/1/0")
    row = tab.page.locator("tr", has_text="/1/0/1")
    row.first.get_by_role("button", name="Write").click()
    tab.page.get_by_label("Lifetime").fill("600")
    tab.page.click("button:has-text('Send')")
    tab.page.wait_for_selector("text='/1/0/1 was written'")
    tab.page.wait_for_selector("td:has-text('600')")
    choose_instance(tab, "/3/0")
    name = tab.page.locator("tr", has_text="/3/0/0")
    name.first.get_by_role("button", name="Observe").click()
    tab.page.wait_for_selector("text=Manufacturer · observed")
    tab.page.locator("tr", has_text="· observed").get_by_role("button", name="Stop").click()
    tab.page.wait_for_selector("text=Manufacturer · observed", state="detached")


def test_a_refusal_of_a_device_says_what_happened(tab: Tab, site: Site, fleet: tuple[str, ...]) -> None:
    tab.go(f"{site.dashboard}/device?endpoint={fleet[1]}")
    choose_instance(tab, "/1/0")
    tab.page.locator("tr", has_text="/1/0/1").first.get_by_role("button", name="Write").click()
    tab.page.get_by_label("Lifetime").fill("not a number")
    tab.page.click("button:has-text('Send')")
    alert = tab.page.locator(".q-notification")
    alert.wait_for()
    assert "not a number" in alert.inner_text()


def test_messages_and_history_appear_as_they_happen(tab: Tab, site: Site, fleet: tuple[str, ...]) -> None:
    tab.go(f"{site.dashboard}/device?endpoint={fleet[2]}&tab=Messages")
    tab.page.wait_for_selector("text=Nothing was said yet")
    with site.client() as client:
        client.read(fleet[2], "/3/0/0")
    tab.page.wait_for_selector("td:has-text('/3/0/0')")
    tab.page.click("[role=tab]:has-text('History')")
    tab.page.wait_for_selector("td:has-text('registered')")


def test_a_device_that_is_not_there_is_said_not_to_be(tab: Tab, site: Site) -> None:
    tab.page.goto(f"{site.dashboard}/device?endpoint=nobody")
    tab.page.wait_for_selector("[role=alert]:has-text('nobody')")
