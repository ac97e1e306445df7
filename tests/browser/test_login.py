"""Coming in, and staying out."""

from typing import Any

import pytest

from tests.browser.conftest import Site, Tab, log_in, opened

pytestmark = pytest.mark.browser


def test_a_stranger_sees_the_page_to_log_in_at(browser: Any, site: Site) -> None:
    with opened(browser) as tab:
        tab.page.goto(f"{site.dashboard}/models")
        assert tab.page.title() == "Log in · lwm2m-ml"
        tab.page.fill("#token", "no good token")
        tab.page.keyboard.press("Enter")
        assert "unknown" in tab.page.inner_text("[role=alert]")


def test_after_logging_in_one_is_where_one_wanted_to_be(browser: Any, site: Site) -> None:
    with opened(browser) as tab:
        tab.page.goto(f"{site.dashboard}/models")
        tab.page.fill("#token", site.token)
        tab.page.keyboard.press("Enter")
        tab.page.wait_for_selector("h1:has-text('Models')")
        (cookie,) = [one for one in tab.page.context.cookies() if one["name"] == "lwm2m-ml-session"]
        assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/dashboard")


def test_logging_out_ends_the_session(browser: Any, site: Site) -> None:
    with opened(browser) as tab:
        log_in(tab, site)
        cookies = tab.page.context.cookies()
        tab.page.click("[aria-label='Log out']")
        tab.page.wait_for_selector("#token")
        tab.page.context.add_cookies(cookies)
        tab.page.goto(f"{site.dashboard}/models")
        assert tab.page.title() == "Log in · lwm2m-ml"


def test_a_viewer_is_shown_no_buttons_that_act_and_is_refused_what_admins_see(browser: Any, site: Site) -> None:
    with site.client() as client:
        token = client.issue_token("looks on", "viewer").secret
    with opened(browser) as tab:
        log_in(tab, site, token)
        assert not tab.page.is_visible("nav >> text=Credentials")
        tab.go(f"{site.dashboard}/audit")
        assert "for administrators" in tab.page.inner_text("main")
        tab.go(f"{site.dashboard}/model?name=digits&tab=Deploy")
        tab.page.wait_for_selector("text=Deploying needs the scope operator")
        assert not tab.page.is_visible("text=Start the campaign")


def test_what_is_done_here_is_in_the_audit_log(tab: Tab, site: Site) -> None:
    tab.go(f"{site.dashboard}/credentials")
    tab.page.get_by_label("Endpoint of the device").fill("audited-device")
    tab.page.click("button:has-text('Make')")
    tab.page.click("button:has-text('It is taken down')")
    tab.page.wait_for_selector("td:has-text('audited-device')")
    with site.client() as client:
        act = next(one for one in client.audit() if one.target.endswith("/credentials"))
    assert (act.status, act.address) == (201, "127.0.0.1")
    tab.go(f"{site.dashboard}/audit")
    tab.page.wait_for_selector(f"td:has-text('{act.action}')")
