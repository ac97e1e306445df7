"""A model's way in the browser: fit, deployed in phases, watched, drawn for, rolled back."""

import pytest

from tests.browser.conftest import PATIENCE, Site, Tab, until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def draw_a_one(tab: Tab) -> None:
    """Draw a vertical stroke with the mouse."""
    box = tab.page.locator("canvas.pad").bounding_box()
    x, top = box["x"] + box["width"] * 0.5, box["y"] + box["height"] * 0.12
    tab.page.mouse.move(x, top)
    tab.page.mouse.down()
    for step in range(20):
        tab.page.mouse.move(x, top + box["height"] * 0.76 * step / 19)
    tab.page.mouse.up()
    tab.page.wait_for_selector("text=This is what the device sees")


def test_from_fit_to_rollback(tab: Tab, site: Site, fleet: tuple[str, ...]) -> None:
    tab.go(f"{site.dashboard}/model?name=digits&tab=Fit over the fleet")
    tab.page.click("button:has-text('Look')")
    tab.page.wait_for_selector("text=Fits 3 of 3 devices", timeout=240_000)

    tab.page.click("[role=tab]:has-text('Deploy')")
    tab.page.get_by_label("Phases").fill("100%")
    tab.page.get_by_label("Seconds to watch each phase").fill("3600")
    tab.page.click("button:has-text('Start the campaign')")
    tab.page.wait_for_selector("h2:has-text('Phases')")
    tab.page.wait_for_selector(".tag:has-text('soaking')", timeout=240_000)
    assert tab.page.locator("section:has(h2:text-is('Devices')) tbody tr:has-text('active')").count() == len(fleet)

    tab.go(f"{site.dashboard}/device?endpoint={fleet[1]}&tab=Model")
    tab.page.wait_for_selector("text=digits 1.0.0")
    tab.page.wait_for_selector("section:has(h2:text-is('Results')) td")

    tab.go(f"{site.dashboard}/draw?endpoint={fleet[1]}")
    draw_a_one(tab)
    tab.page.click("button:has-text('Send to the device')")
    tab.page.wait_for_selector("text=bit for bit as the integer reference")
    assert tab.page.inner_text("[data-testid=answer]") == "1"
    told = tab.page.inner_text('section:has(h2:text-is("The device\'s answer"))')
    assert "ms at its clock" in told
    assert "Instructions" in told

    with site.client() as client:
        (campaign,) = [one for one in client.campaigns() if not one.finished]
    tab.go(f"{site.dashboard}/campaign?id={campaign.id}")
    tab.page.click("button:has-text('Roll back')")
    tab.page.get_by_label("Reason, for the story").fill("The test is over")
    tab.page.click("button:has-text('Send')")
    tab.page.wait_for_selector("h1 + .tag:has-text('rolled back')", timeout=240_000)
    tab.page.wait_for_selector("td:has-text('The test is over')")

    def nothing_runs() -> bool:
        with site.client() as client:
            return not any(device.running for device in client.devices())

    until(nothing_runs, "the devices run nothing any more", PATIENCE)


def test_a_digit_can_be_drawn_with_the_keyboard(tab: Tab, site: Site, fleet: tuple[str, ...]) -> None:
    tab.go(f"{site.dashboard}/draw")
    pad = tab.page.locator("canvas.pad")
    pad.focus()
    tab.page.keyboard.press("Space")
    for _ in range(16):
        tab.page.keyboard.press("ArrowDown")
    tab.page.wait_for_selector("text=This is what the device sees")
