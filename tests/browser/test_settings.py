"""Sign-in, people and tokens in a real browser: by keyboard, for a screen reader, on a phone."""

import re

import pytest
from playwright.sync_api import Page, expect

from sessions_app.actions.setup import invite
from sessions_app.actions.tokens import create_token
from sessions_app.actors import actor_of
from sessions_app.models import ApiToken, Person, Role, Scope
from tests.browser import accessibility
from tests.browser.conftest import OpenContext
from tests.browser.running import Server
from tests.browser.settled import at_rest
from tests.factories import PASSWORD, make_person, make_saved_view, make_session

pytestmark = pytest.mark.browser


@pytest.mark.once  # How a page looks is no matter of the engine.
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_on_forms_confirmations_and_what_is_shown_once(
    open_context: OpenContext, operator: Person, server: Server, width: int
) -> None:
    ben = make_person(Role.VIEWER, username="ben", display_name="Ben")
    token, _ = create_token(operator, "watcher", [Scope.WRITE], actor=actor_of(operator))
    view = make_saved_view(operator, name="Failed ones")
    viewport = {"width": width, "height": 900}
    page = open_context(operator, viewport=viewport, bypass_csp=True).new_page()
    stranger = open_context(viewport=viewport, bypass_csp=True).new_page()
    found: list[str] = []

    def look(at: Page) -> None:
        at_rest(at)
        found.extend(accessibility.findings(at, at.url))
        if at.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{at.url}: wider than {width}")

    for address in (
        "/settings/people/add/",
        f"/settings/people/{ben.pk}/",
        f"/settings/people/{ben.pk}/disable/",
        "/settings/tokens/add/",
        f"/settings/tokens/{token.pk}/revoke/",
        f"/settings/views/{view.pk}/rename/",
    ):
        page.goto(address)
        look(page)
    page.goto("/settings/tokens/add/")
    page.get_by_label("Name").fill(" ")
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_text("Choose one or more.")).to_be_visible()
    look(page)
    page.get_by_label("Name").fill("ci")
    page.get_by_label("Read sessions").check()
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_text("Copy it now")).to_be_visible()
    look(page)
    page.goto(f"/settings/people/{ben.pk}/")
    page.get_by_role("button", name="Make a link").click()
    expect(page.get_by_text("/setup/")).to_be_visible()
    look(page)
    stranger.goto(invite(ben, actor=actor_of(operator)))
    look(stranger)
    stranger.get_by_label("Password", exact=True).fill("short")
    stranger.get_by_label("Password again").fill("other")
    stranger.keyboard.press("Enter")
    expect(stranger.get_by_text("This is not the same as above.")).to_be_visible()
    look(stranger)
    stranger.goto("/sign-in/")
    stranger.get_by_label("Password").fill("wrong wrong")
    stranger.get_by_label(re.compile("^User")).fill("ben")
    stranger.keyboard.press("Enter")
    expect(stranger.get_by_text("do not match")).to_be_visible()
    look(stranger)
    assert not found, "\n".join(found)


@pytest.mark.once  # How a page looks is no matter of the engine.
def test_a_long_name_without_spaces_is_no_wider_than_a_phone(
    open_context: OpenContext, operator: Person, server: Server
) -> None:
    page = open_context(operator, viewport={"width": 320, "height": 640}, has_touch=True).new_page()
    page.goto("/settings/people/add/")
    page.get_by_label(re.compile("^User")).fill("u" * 64)
    page.get_by_label(re.compile("^Name")).fill("n" * 64)
    page.get_by_role("button", name="Add").click()
    expect(page.get_by_role("heading", name="was added")).to_be_visible()
    found = {page.url: page.evaluate("document.documentElement.scrollWidth")}
    ben = Person.objects.get(username="u" * 64)
    token, _ = create_token(operator, "k" * 64, [Scope.WRITE], actor=actor_of(operator))
    view = make_saved_view(operator, name="v" * 80)
    session = make_session(title="t" * 200, with_main_run=True)
    for address in (
        "/settings/people/",
        f"/settings/people/{ben.pk}/",
        f"/settings/people/{ben.pk}/disable/",
        f"/settings/tokens/{token.pk}/revoke/",
        f"/settings/views/{view.pk}/rename/",
        f"/sessions/{session.pk}/",
        f"/sessions/{session.pk}/notes/",
        f"/runs/{session.runs.get().pk}/",
        "/search/?q=" + "q" * 90,
    ):
        page.goto(address)
        found[address] = page.evaluate("document.documentElement.scrollWidth")
    assert set(found.values()) == {320}, found


def test_a_person_is_added_and_lets_themselves_in_without_a_mouse(
    open_context: OpenContext, operator: Person
) -> None:
    page = open_context(operator).new_page()
    page.goto("/settings/people/")
    page.get_by_role("link", name="Add a person").focus()
    page.keyboard.press("Enter")
    page.get_by_label(re.compile("^User")).focus()
    for key in ("ben", "Tab", "Ben Okri", "Tab", "Auditor", "Tab"):
        page.keyboard.press(key) if key == "Tab" else page.keyboard.type(key)
    page.keyboard.press("Enter")
    link = page.get_by_text("/setup/").inner_text()
    newcomer = open_context().new_page()
    newcomer.goto(link)
    newcomer.get_by_label("Password", exact=True).focus()
    newcomer.keyboard.type(PASSWORD)
    newcomer.keyboard.press("Tab")
    newcomer.keyboard.type(PASSWORD)
    newcomer.keyboard.press("Enter")
    expect(newcomer.get_by_role("heading", name="Now")).to_be_visible()
    assert Person.objects.get(username="ben").role == Role.AUDITOR
    newcomer.goto("/settings/")
    expect(newcomer.get_by_role("link", name="People")).to_have_count(0)


def test_an_open_page_of_a_disabled_person_is_signed_out(open_context: OpenContext, operator: Person) -> None:
    ben = make_person(Role.VIEWER, username="ben")
    bens = open_context(ben).new_page()
    bens.goto("/settings/")
    page = open_context(operator).new_page()
    page.goto(f"/settings/people/{ben.pk}/")
    page.get_by_role("link", name="Disable").click()
    page.get_by_role("button", name="Disable ben").click()
    expect(page.get_by_text("can no longer sign in")).to_be_visible()
    bens.reload()
    expect(bens.get_by_role("heading", name="Sign in")).to_be_visible()


def test_forms_work_without_scripts(open_context: OpenContext, operator: Person) -> None:
    page = open_context(operator, java_script_enabled=False).new_page()
    page.goto("/settings/tokens/add/")
    page.get_by_label("Name").fill("ci")
    page.get_by_label("Record sessions").check()
    page.get_by_role("button", name="Create token").click()
    expect(page.get_by_text("sbk_").first).to_be_visible()
    token = ApiToken.objects.get(name="ci")
    page.goto(f"/settings/tokens/{token.pk}/revoke/")
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("Revoked", exact=True)).to_be_visible()
    page.goto("/settings/")
    page.get_by_label("Name shown on pages").fill("Ada L.")
    page.get_by_role("button", name="Save name").click()
    assert Person.objects.get(pk=operator.pk).display_name == "Ada L."
