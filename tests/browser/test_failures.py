"""What a page says when something that a person asked for did not work."""

import re
from urllib.parse import urlencode

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse
from playwright.sync_api import Page, Route, expect

from audit.actors import SYSTEM
from sessions_app.actions.sessions import delete_session
from sessions_app.models import AgentSession, Person
from tests.browser import accessibility
from tests.browser.conftest import OpenContext
from tests.browser.problems import Problems
from tests.browser.running import Server
from tests.factories import make_message, make_session, make_tool_call

pytestmark = [
    pytest.mark.browser,
    pytest.mark.once,
]  # What a page says of an answer is no matter of the engine.

TOAST = "[data-failure]"


@pytest.fixture
def session(server: Server, problems: Problems) -> AgentSession:
    # Chromium prints every answer that is an error.
    problems.allow("Failed to load resource|WebSocket|htmx:|Response Status Error")
    return make_session(with_main_run=True, title="As it was")


def opened(page: Page, session: AgentSession, tab: str = "session") -> Page:
    page.goto(reverse(tab, args=[session.pk]))
    expect(page.locator("html")).to_have_attribute("data-live", "connected")
    return page


def answer(page: Page, status: int, body: str = "", content_type: str = "text/html") -> None:
    """Every change of the page is answered so, as by a server in trouble or a proxy before it."""

    def respond(route: Route) -> None:
        if route.request.method == "POST" and "/read/" not in route.request.url:
            route.fulfill(status=status, body=body, content_type=content_type)
        else:
            route.continue_()

    page.route("**/*", respond)


def archive(page: Page) -> None:
    page.get_by_role("button", name="Archive", exact=True).click()


def test_a_press_on_what_is_gone_says_so_and_loads_the_page_again(
    signed_in_page: Page, session: AgentSession
) -> None:
    # A socket that says nothing: otherwise the page tells before anybody presses.
    signed_in_page.route_web_socket(re.compile("/live/sessions/"), lambda _: None)
    page = opened(signed_in_page, session, "session-notes")
    delete_session(session.pk, actor=SYSTEM)
    archive(page)
    toast = page.get_by_role("status").locator(TOAST)
    expect(toast).to_contain_text("“Archive” did not work. It is no longer there")
    expect(toast.get_by_role("button", name="Retry")).to_have_count(0)
    expect(page.get_by_role("button", name="Archive", exact=True)).to_be_focused()
    before = page.evaluate("performance.timeOrigin")
    toast.get_by_role("button", name="Load again").click()
    page.wait_for_function("(before) => performance.timeOrigin !== before", arg=before)


def test_a_server_that_is_down_is_asked_again_by_a_press(
    signed_in_page: Page, session: AgentSession, server: Server
) -> None:
    page = opened(signed_in_page, session)
    server.stop()
    page.get_by_title("Rename").click()
    page.get_by_label("Title").fill("A better name")
    for _ in range(3):
        page.keyboard.press("Enter")
        expect(page.locator(TOAST)).to_contain_text(
            "“Rename” did not work. The console does not answer. Nothing was changed."
        )
    expect(page.locator(TOAST)).to_have_count(1)
    expect(page.get_by_label("Title")).to_have_value("A better name")
    expect(page.get_by_label("Title")).to_be_focused()
    server.start()
    page.locator(TOAST).get_by_role("button", name="Retry").click()
    expect(page.locator(TOAST)).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_have_text("A better name")


def test_what_a_page_asks_for_by_itself_fails_without_a_word(
    signed_in_page: Page, session: AgentSession
) -> None:
    page = signed_in_page
    page.route("**/outline/**", lambda route: route.fulfill(status=500))
    with page.expect_response("**/outline/**"):
        opened(page, session)
    archive(page)
    expect(page.get_by_role("button", name="Unarchive")).to_be_visible()
    expect(page.locator(TOAST)).to_have_count(0)


def test_the_words_of_a_refusal_are_those_of_the_server(signed_in_page: Page, session: AgentSession) -> None:
    page = opened(signed_in_page, session)
    page.evaluate(
        """document.body.setAttribute("hx-headers", "{}");
        for (const token of document.querySelectorAll("[name=csrfmiddlewaretoken]")) token.remove()"""
    )
    archive(page)
    toast = page.locator(TOAST)
    expect(toast).to_contain_text("“Archive” did not work. The form was open for too long")
    expect(toast.get_by_role("button", name="Retry")).to_have_count(0)


def test_whoever_is_signed_out_keeps_the_page_and_is_led_back_to_it(
    signed_in_page: Page, session: AgentSession
) -> None:
    page = opened(signed_in_page, session)
    page.get_by_title("Rename").click()
    page.get_by_label("Title").fill("Typed for a long time")
    Session.objects.all().delete()
    page.keyboard.press("Enter")
    expect(page.locator(TOAST)).to_contain_text("You are signed out.")
    expect(page.get_by_label("Title")).to_have_value("Typed for a long time")
    page.locator(TOAST).get_by_role("link", name="Sign in").click()
    page.get_by_label("User name").wait_for()
    assert urlencode({"next": reverse("session", args=[session.pk])}) in page.url


@pytest.mark.once  # What a page says to an answer is no matter of the engine.
@pytest.mark.parametrize(
    ("status", "body", "content_type", "words", "button"),
    [
        (409, "", "text/html", "It changed meanwhile.", "Load again"),
        (422, '<div class="plain__lead"><p>Too <b>long</b>.</p></div>', "text/html", "Too long.", None),
        (422, '{"detail": "A <b> is not one."}', "application/problem+json", "A <b> is not one.", None),
        (429, "", "text/html", "That was asked too often.", "Retry"),
        (500, "<h1>Oh</h1>", "text/html", "The console failed at this (500).", "Retry"),
        (502, "bad gateway", "text/plain", "The console failed at this (502).", "Retry"),
        (503, "", "text/html", "The database cannot do this now.", "Retry"),
        (
            503,
            '<div class="plain__lead"><p class="plain__code">503</p><p>The disk is full: free some space.</p></div>',
            "text/html",
            "The disk is full: free some space.",
            "Retry",
        ),
    ],
)
def test_every_refusal_has_its_words_and_its_button(
    signed_in_page: Page,
    session: AgentSession,
    status: int,
    body: str,
    content_type: str,
    words: str,
    button: str | None,
) -> None:
    page = opened(signed_in_page, session)
    answer(page, status, body, content_type)
    archive(page)
    toast = page.locator(TOAST)
    expect(toast).to_contain_text(f"“Archive” did not work. {words}")
    expect(toast.locator("button, a")).to_have_text([*([button] if button else []), ""])


@pytest.mark.once  # What a page says to an answer is no matter of the engine.
def test_whoever_is_signed_out_keeps_the_page_that_asked_by_itself(
    signed_in_page: Page, session: AgentSession
) -> None:
    page = signed_in_page
    led = {"HX-Redirect": "/sign-in/?next=/sessions/"}
    page.route("**/outline/**", lambda route: route.fulfill(status=401, headers=led))
    opened(page, session)
    toast = page.locator(TOAST)
    expect(toast).to_contain_text("You are signed out.")
    expect(toast.get_by_role("link", name="Sign in")).to_have_attribute("href", led["HX-Redirect"])
    assert page.url.endswith(reverse("session", args=[session.pk]))


@pytest.mark.once  # What a page says to an answer is no matter of the engine.
def test_a_server_that_never_answers_is_given_up(signed_in_page: Page, session: AgentSession) -> None:
    page = opened(signed_in_page, session)
    assert page.evaluate("htmx.config.timeout") == 30_000
    page.evaluate("htmx.config.timeout = 200")
    page.route("**/archive/", lambda route: None)
    archive(page)
    expect(page.locator(TOAST)).to_contain_text(
        "took too long to answer. It may have been done all the same."
    )


def test_an_undo_that_failed_can_be_asked_for_again(signed_in_page: Page, session: AgentSession) -> None:
    page = opened(signed_in_page, session)
    archive(page)
    answer(page, 500)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(TOAST)).to_contain_text("“Undo” did not work.")
    page.unroute("**/*")
    # Its own toast leaves after a while, and the form with it.
    page.evaluate("document.querySelector('[data-toast][hidden]').remove()")
    page.locator(TOAST).get_by_role("button", name="Retry").click()
    expect(page.get_by_role("button", name="Archive", exact=True)).to_be_visible()


def test_a_fold_that_could_not_be_loaded_asks_again(signed_in_page: Page, session: AgentSession) -> None:
    call = make_tool_call(session, output="All of it.")
    page = opened(signed_in_page, session)
    page.route("**/calls/**", lambda route: route.abort())
    summary = page.locator(f"#seq-{call.seq} summary")
    summary.click()
    expect(page.locator(TOAST)).to_contain_text("This could not be loaded.")
    page.unroute("**/calls/**")
    summary.click()
    summary.click()
    expect(page.get_by_text("All of it.")).to_be_visible()
    expect(page.locator(TOAST)).to_have_count(0)


@pytest.mark.once  # How a page looks is no matter of the engine.
@pytest.mark.parametrize("width", [1440, 390])
def test_the_toast_fits_is_dismissed_by_key_and_axe_finds_nothing(
    open_context: OpenContext, operator: Person, session: AgentSession, width: int
) -> None:
    make_message(session, "Please look.")
    page = open_context(operator, viewport={"width": width, "height": 844}, bypass_csp=True).new_page()
    opened(page, session)
    answer(page, 503)
    archive(page)
    toast = page.locator(TOAST)
    expect(toast).to_be_in_viewport(ratio=1)
    found = accessibility.findings(page, "a failure")
    assert not found, "\n".join(found)
    toast.get_by_role("button", name="Dismiss").focus()
    page.keyboard.press("Enter")
    expect(toast).to_have_count(0)
    expect(page.get_by_role("button", name="Archive", exact=True)).to_be_focused()


@pytest.mark.once  # What the page says is no matter of the engine.
def test_rows_that_cannot_be_fetched_are_asked_for_again_by_a_press(
    signed_in_page: Page, session: AgentSession
) -> None:
    for number in range(120):
        make_message(session, f"Message {number}")
    page = signed_in_page
    rows = re.compile(r"/rows/\?.*before=")
    page.route(rows, lambda route: route.abort())
    opened(page, session)
    earlier = page.get_by_role("link", name="Earlier", exact=True)
    # Coming near asks too, perhaps as the page opens, and says nothing.
    earlier.scroll_into_view_if_needed()
    expect(page.locator(TOAST)).to_have_count(0)

    earlier.click()
    expect(page.locator(TOAST)).to_contain_text("This could not be loaded. The console does not answer.")
    page.unroute(rows)
    page.route(rows, lambda route: route.fulfill(status=503))
    page.locator(TOAST).get_by_role("button", name="Retry").click()
    expect(page.locator(TOAST)).to_contain_text("This could not be loaded. The database cannot do this now.")
    expect(page.locator(TOAST)).to_have_count(1)
    expect(page.get_by_text("Message 0", exact=True)).to_have_count(0)
    page.unroute(rows)
    page.locator(TOAST).get_by_role("button", name="Retry").click()
    expect(page.locator(TOAST)).to_have_count(0)
    expect(page.get_by_text("Message 0", exact=True)).to_be_visible()


@pytest.mark.once  # What the page says is no matter of the engine.
def test_a_press_while_coming_near_asks_is_told_of(signed_in_page: Page, session: AgentSession) -> None:
    for number in range(120):
        make_message(session, f"Message {number}")
    page = signed_in_page
    waiting: list[Route] = []
    page.route(re.compile(r"/rows/\?.*before="), lambda route: waiting.append(route))
    opened(page, session)
    page.evaluate("scrollTo(0, 0)")
    while not waiting:
        page.wait_for_timeout(20)
    page.get_by_role("link", name="Earlier", exact=True).click()
    waiting.pop().abort()
    expect(page.locator(TOAST)).to_contain_text("This could not be loaded. The console does not answer.")
    assert not waiting
