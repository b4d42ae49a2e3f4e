import pytest
from playwright.sync_api import Browser


@pytest.mark.browser
def test_the_browser_of_this_machine_opens_a_page(chromium: Browser) -> None:
    page = chromium.new_page()
    page.set_content("<title>Scrollback</title><main>ready</main>")
    assert page.title() == "Scrollback"
    page.close()
