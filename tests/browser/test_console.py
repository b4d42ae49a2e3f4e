"""The main job in a real browser, against the real server, with real histories imported by another process."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from playwright.sync_api import BrowserContext, Page, expect

from sessions_app.actions.sessions import delete_session
from sessions_app.actions.terminals.deriving import derivable
from sessions_app.actors import actor_of
from sessions_app.models import AgentSession, Message, Person, Run, Terminal, ToolCall
from sessions_app.terminal.engine.version import ENGINE
from tests.browser import accessibility
from tests.browser.conftest import OpenContext, Template, connected_to
from tests.browser.pages import NO_SETUP_LINK, every_page
from tests.browser.problems import Problems
from tests.browser.running import Server, shared_cache
from tests.browser.settled import at_rest, connected
from tests.browser.test_terminals import until
from tests.databases import copy_of
from tests.samples import sample
from tests.shared import made_once

pytestmark = pytest.mark.browser

CLAUDE = "claude-code/projects/sample-project/fe5e1c67-53e7-4862-81ae-d0e013e3270b.jsonl"
CODEX = "codex/sessions/rollout-2026-02-23T12-41-04-019c8a4d-8f45-7010-8b5d-7fad920aa6f9.jsonl"
PHONE = {"width": 390, "height": 844}
# A committed line is on the page within this; the tests wait longer, as they share the machine.
PATIENCE_MS = 20_000


@pytest.fixture(scope="session")
def imported(
    unblocked_database: None,
    migrated_database: str,
    static_cache: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Template:
    """A console that has imported the samples, which takes many seconds: done once, and copied for each test."""

    def import_all(folder: Path) -> str:
        home = folder / "home"
        shared_cache(static_cache, home)
        url = copy_of(migrated_database, folder)
        with connected_to(url), Server(home, url, secret_key=settings.SECRET_KEY) as server:
            samples = (str(sample(name)) for name in ("claude-code", "codex", "asciicast"))
            done = server.run("import", *samples)
            assert done.returncode in {0, 1}, done.stderr
            # While the server derives screens, pages that show them come to no rest.
            until(
                lambda: not ENGINE or not derivable().exists(), "the server should derive what was imported"
            )
        return json.dumps([url, *map(str, (*home.glob("*.key"), home / "agent.token"))])

    url, *keys = json.loads(made_once(tmp_path_factory, "imported", import_all))
    return Template(url, tuple(map(Path, keys)))


@pytest.fixture
def template(request: pytest.FixtureRequest, template: Template) -> Template:
    if "histories" not in request.fixturenames:
        return template
    found: Template = request.getfixturevalue("imported")
    return found


@pytest.fixture
def histories(server: Server) -> None:
    """The test begins with the real histories: `template` looks for this name."""
    assert AgentSession.objects.exists()


def real_addresses(
    context: BrowserContext, operator: Person, *, only_with_histories: bool = False
) -> list[str]:
    """Every page, with the real sessions in it, and lists that were narrowed."""
    claude = AgentSession.objects.get(external_id__startswith="fe5e1c67")
    instead: dict[str, object] = {
        "session_id": claude.pk,
        "run_id": claude.runs.exclude(kind="main").order_by("started_ms")[0].pk,
        "message_id": Message.objects.filter(session=claude).order_by("seq")[0].pk,
        "call_id": ToolCall.objects.filter(session=claude).order_by("seq")[0].pk,
        "source_id": claude.sources.get().pk,
        "number": 5,
        "terminal_id": Terminal.objects.order_by("-size")[1].pk,
    }
    pages = every_page(context, operator, **instead)
    if only_with_histories:
        shown = {"sessions", "runs", "terminals", "search", "audit", *map(str, instead.values())}
        pages = [path for path in pages if path == "/" or shown & set(path.split("/"))]
    return [
        *pages,
        "/sessions/?agent=codex",
        "/sessions/?status=failed&tag=none",
        "/search/?q=component",
        "/search/?q=nowhere+to+be+found",
        "/audit/0/",
    ]


# How a page looks is no matter of the engine; that those with histories open on both is tested below.
@pytest.mark.once
@pytest.mark.parametrize("width", [1440, 390])
def test_axe_finds_nothing_on_any_page_and_none_scrolls_sideways(
    open_context: OpenContext,
    operator: Person,
    server: Server,
    problems: Problems,
    histories: None,
    width: int,
) -> None:
    problems.allow_missing(server.url + NO_SETUP_LINK)
    context = open_context(operator, viewport={"width": width, "height": 900}, bypass_csp=True)
    # On a phone the other pages are looked at in test_every_page.py, where all rules are tried on one of everything.
    addresses = real_addresses(context, operator, only_with_histories=width < 720)
    assert len(addresses) > 15
    found = accessibility.of_each(context.new_page(), addresses, sizes_alone=width < 720)
    assert not found, "\n".join(found)


@pytest.mark.once  # How a page looks is no matter of the engine.
def test_no_session_and_no_run_scrolls_sideways_on_the_narrowest_phone(
    open_context: OpenContext, operator: Person, histories: None
) -> None:
    page = open_context(operator, viewport={"width": 320, "height": 640}, has_touch=True).new_page()
    addresses = [f"/sessions/{session.pk}/" for session in AgentSession.objects.all()]
    addresses += [f"/runs/{run.pk}/" for run in Run.objects.exclude(parent=None)[:5]]
    findings: list[str] = []
    for address in addresses:
        page.goto(address)
        if (width := page.evaluate("document.documentElement.scrollWidth")) > 320:
            findings.append(f"{address}: {width}")
    assert not findings, "\n".join(findings)
    # The first breadcrumb leads out and is never cut; those after it share what is left.
    page.goto(addresses[-1])
    first, *others = page.locator(".breadcrumbs li").all()
    assert first.evaluate("(item) => item.scrollWidth <= item.clientWidth")
    assert all(other.bounding_box()["width"] >= 24 for other in others)  # type: ignore[index]


def test_no_page_breaks_the_content_policy_or_prints_an_error(
    open_context: OpenContext, operator: Person, server: Server, problems: Problems, histories: None
) -> None:
    problems.allow_missing(server.url + NO_SETUP_LINK)
    context = open_context(operator)
    page = context.new_page()
    # That the others open on both is held by tests/sessions_app/access/test_matrix.py.
    for address in real_addresses(context, operator, only_with_histories=connection.vendor == "postgresql"):
        page.goto(address)
        at_rest(page)
    # The `problems` fixture of the context fails the test with whatever was printed.


def test_from_the_first_run_to_signed_in_and_out_again(
    open_context: OpenContext, server: Server, problems: Problems
) -> None:
    link = re.search(r"http://127\.0\.0\.1:\d+/setup/\S+", server.output)
    assert link is not None, server.output
    # Once it was used it answers 404, which Chromium prints.
    problems.allow_missing(link.group())
    page = open_context().new_page()
    page.goto(link.group())
    # The browser moves the focus there with its first frame.
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("ada")
    page.get_by_label("Password", exact=True).fill("correct horse battery")
    page.get_by_label(re.compile("again", re.IGNORECASE)).fill("correct horse battery")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Now")).to_be_visible()
    expect(page.get_by_text("scrollback watch").first).to_be_visible()

    page.goto(link.group())
    expect(page.get_by_role("heading", name=re.compile("not", re.IGNORECASE))).to_be_visible()
    page.goto("/sessions/")
    page.get_by_text("ada", exact=True).click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile("/sign-in/"))
    expect(page.get_by_label("User name")).to_be_focused()
    page.keyboard.type("ada")
    page.keyboard.press("Tab")
    page.keyboard.type("correct horse")
    page.keyboard.press("Enter")
    # The box has the focus before the answer too.
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_label("Password")).to_be_focused()
    page.keyboard.type("correct horse battery")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Now")).to_be_visible()


def test_an_empty_list_fills_when_another_process_imports(signed_in_page: Page, server: Server) -> None:
    signed_in_page.goto("/sessions/")
    connected(signed_in_page)
    expect(signed_in_page.get_by_text("No sessions yet")).to_be_visible()

    assert server.run("import", str(sample(CLAUDE))).returncode == 0

    expect(signed_in_page.locator("tr[data-row]")).to_have_count(1, timeout=PATIENCE_MS)
    expect(signed_in_page.get_by_role("link", name="/orchestrator create TODO app")).to_be_visible()


def test_new_sessions_wait_behind_the_pill_and_never_move_the_list(
    signed_in_page: Page, server: Server
) -> None:
    assert server.run("import", str(sample(CLAUDE))).returncode == 0
    signed_in_page.goto("/sessions/")
    connected(signed_in_page)
    expect(signed_in_page.locator("tr[data-row]")).to_have_count(1)

    assert server.run("import", str(sample(CODEX))).returncode == 0

    pill = signed_in_page.locator("[data-news]")
    expect(pill).to_have_text("1 new", timeout=PATIENCE_MS)
    expect(signed_in_page.locator("tr[data-row]")).to_have_count(1)
    pill.click()
    expect(signed_in_page.locator("tr[data-row]")).to_have_count(2)


@pytest.fixture
def watched(server: Server, tmp_path: Path) -> Iterator[Path]:
    """A history that `scrollback watch` follows; its last third is still to be written."""
    folder = tmp_path / "sessions"
    folder.mkdir()
    file = Path(shutil.copy(sample(CODEX), folder))
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[: len(lines) * 2 // 3]))
    process = server.popen("watch", str(folder))
    try:
        yield file
    finally:
        process.terminate()
        process.wait(10)


def test_a_line_that_an_agent_writes_appears_on_the_open_page(
    signed_in_page: Page, server: Server, watched: Path
) -> None:
    page = signed_in_page
    page.goto("/sessions/")
    connected(page)
    expect(page.locator("tr[data-row]")).to_have_count(1, timeout=PATIENCE_MS)
    page.locator("tr[data-row] .list__link").click()
    connected(page)
    expect(page.locator("[id^='seq-']").last).to_be_visible()
    shown = page.locator("[id^='seq-']").count()

    lines = sample(CODEX).read_bytes().splitlines(keepends=True)
    with watched.open("ab") as handle:
        handle.writelines(lines[len(lines) * 2 // 3 :])

    expect(page.locator(f"[id^='seq-'] >> nth={shown}")).to_be_attached(timeout=PATIENCE_MS)
    last = AgentSession.objects.get().last_seq
    places = page.evaluate(
        "[...document.querySelectorAll(\"[id^='seq-']\")].map((row) => Number(row.id.slice(4)))"
    )
    assert len(places) == len(set(places))
    assert places == sorted(places)
    assert max(places) <= last


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_the_list_and_a_session_are_worked_by_keyboard_alone(
    signed_in_page: Page, server: Server, histories: None
) -> None:
    page = signed_in_page
    page.goto("/")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/sessions/")
    connected(page)
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator('tr[data-row][aria-selected="true"]')).to_have_count(1)
    page.keyboard.press("o")
    expect(page.locator("#peek .peek")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#peek .peek")).to_have_count(0)
    page.keyboard.press("x")
    expect(page.locator(".bulk-bar")).to_be_visible()
    page.keyboard.press("x")
    expect(page.locator(".bulk-bar")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("orchestrator")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/sessions/\?q=orchestrator$"))
    connected(page)
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("orchestrator")
    connected(page)
    page.keyboard.press("?")
    expect(page.locator("#key-sheet")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Control+k")
    page.keyboard.type("TODO")
    expect(page.locator("#palette .palette__item").last).to_have_text("Search everything for “TODO”")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/search/\?q=TODO$"))


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_enter_in_the_palette_takes_the_best_of_the_whole_text(signed_in_page: Page, histories: None) -> None:
    page = signed_in_page
    page.goto("/settings/")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette .palette__item").first).to_be_visible()
    # Recent sessions still stand there when Enter comes.
    page.keyboard.type("termin")
    page.keyboard.press("Enter")
    page.wait_for_url("**/terminals/")


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_ticked_sessions_are_archived_and_found_again(signed_in_page: Page, histories: None) -> None:
    page = signed_in_page
    page.goto("/sessions/")
    connected(page)
    before = page.locator("tr[data-row]").count()
    page.locator(".list__select").first.check()
    page.get_by_role("button", name="Archive").click()
    expect(page.get_by_text("1 session archived.")).to_be_visible()
    expect(page.locator("tr[data-row]")).to_have_count(before - 1)
    page.get_by_role("link", name="Archived").click()
    expect(page.locator("tr[data-row]")).to_have_count(1)


def test_what_was_done_to_many_is_undone_by_the_toast(signed_in_page: Page, histories: None) -> None:
    page = signed_in_page
    page.goto("/sessions/")
    connected(page)
    rows = page.locator("tr[data-row]")
    before = rows.count()
    for number in range(2):
        page.locator(".list__select").nth(number).check()
    page.get_by_role("button", name="Move to trash").click()
    expect(page.get_by_text("2 sessions moved to the trash.")).to_be_visible()
    expect(rows).to_have_count(before - 2)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("2 sessions restored.")).to_be_visible()
    expect(rows).to_have_count(before)


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_enter_in_the_box_for_a_tag_adds_the_tag(signed_in_page: Page, histories: None) -> None:
    page = signed_in_page
    page.goto("/sessions/")
    connected(page)
    before = page.locator("tr[data-row]").count()
    page.locator(".list__select").first.check()
    page.get_by_label("Tag", exact=True).fill("later")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 session tagged later.")).to_be_visible()
    expect(page.locator("tr[data-row]")).to_have_count(before)


def test_a_row_leaves_the_list_with_its_session(
    signed_in_page: Page, operator: Person, histories: None
) -> None:
    page = signed_in_page
    page.goto("/sessions/")
    connected(page)
    row = page.locator("tr[data-row]").first
    session = AgentSession.objects.get(pk=str(row.get_attribute("data-id")))
    delete_session(session.pk, actor=actor_of(operator))
    expect(page.locator(f'tr[data-id="{session.pk}"]')).to_have_count(0, timeout=PATIENCE_MS)


@pytest.mark.once  # What a page does by itself is no matter of the engine.
def test_a_view_is_named_by_typing_at_once(signed_in_page: Page, histories: None) -> None:
    page = signed_in_page
    page.goto("/sessions/?agent=codex")
    page.get_by_role("button", name="Save view").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name")).to_be_focused()
    page.keyboard.type("my / view")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved as my / view.")).to_be_visible()


def test_a_session_in_the_trash_is_found_and_brought_back(signed_in_page: Page, histories: None) -> None:
    page = signed_in_page
    page.goto("/sessions/")
    connected(page)
    title = page.locator("tr[data-row] .list__link").first.inner_text()
    page.locator(".list__select").first.check()
    page.get_by_role("button", name="Move to trash").click()
    page.get_by_role("link", name="Trash").click()
    expect(page.locator("tr[data-row]")).to_have_count(1)
    connected(page)
    page.keyboard.press("j")
    page.keyboard.press("o")
    expect(page.locator("#peek").get_by_role("button", name="Restore")).to_be_visible()
    page.locator("tr[data-row] .list__link").first.click()
    expect(page.get_by_role("heading", name="This session is in the trash")).to_be_visible()
    page.get_by_role("button", name="Restore").click()
    expect(page.locator("toast-region")).to_contain_text("Restored from the trash")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)


def test_a_search_hit_lands_at_its_place(signed_in_page: Page, histories: None) -> None:
    page = signed_in_page
    page.goto("/search/?q=localStorage")
    expect(page.locator("mark").first).to_have_text(re.compile("localstorage", re.IGNORECASE))
    page.locator(".hit .list__link").nth(1).click()
    anchor = page.url.rpartition("#")[2]
    expect(page.locator(f"#{anchor}")).to_be_in_viewport()


def test_facets_lead_to_what_they_count(signed_in_page: Page, histories: None) -> None:
    page = signed_in_page
    page.goto("/sessions/")
    page.locator("summary.facet", has_text="Agent").click()
    choice = page.locator("details[open] .menu__item", has_text="codex")
    count = int(choice.locator(".count").inner_text())
    choice.click()
    page.wait_for_url(re.compile(r"/sessions/\?agent=codex$"))
    expect(page.locator("tr[data-row]")).to_have_count(count)


@pytest.mark.once  # How a page looks is no matter of the engine.
def test_the_whole_job_on_a_phone(open_context: OpenContext, operator: Person, histories: None) -> None:
    page = open_context(operator, viewport=PHONE, has_touch=True, is_mobile=True).new_page()
    page.goto("/")
    page.get_by_role("link", name="Sessions", exact=True).tap()
    page.wait_for_url("**/sessions/")
    page.locator("tr[data-row] .list__link", has_text="orchestrator").tap()
    expect(page.get_by_role("heading", level=1)).to_contain_text("orchestrator")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_role("link", name=re.compile("^Runs")).last.scroll_into_view_if_needed()
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('.rail a')].filter((a) => a.checkVisibility())"
        ".map((a) => a.getBoundingClientRect().height))"
    )
    assert smallest >= 40


def test_the_list_survives_a_restart_of_the_server(
    signed_in_page: Page, server: Server, problems: Problems
) -> None:
    problems.allow_absence()
    page = signed_in_page
    page.goto("/sessions/")
    connected(page)
    server.stop()
    expect(page.locator("html:not([data-live=connected])")).to_be_attached(timeout=PATIENCE_MS)
    assert server.run("import", str(sample(CLAUDE))).returncode == 0
    server.start()
    connected(page)
    expect(page.locator("tr[data-row]")).to_have_count(1, timeout=PATIENCE_MS)
