"""The console's template tags: what they write, and that hostile text stays text."""

import re
from uuid import UUID

import pytest
from django import forms
from django.template import Context, Template
from django.template.loader import render_to_string
from django.test import RequestFactory, override_settings
from django.urls import resolve, reverse

from dashboard.places import PLACES
from dashboard.shortcuts import SHORTCUTS
from dashboard.templatetags.ui import STATUS_WORDS
from sessions_app.models import Person, Role, Status
from tests.factories import make_person

HOSTILE = '"><script>alert(1)</script>'


def render(source: str, **values: object) -> str:
    return Template(source).render(Context(values))


def test_every_status_of_the_models_has_a_word_and_a_glyph() -> None:
    sprite = render_to_string("components/sprite.html")
    assert set(Status.values) <= set(STATUS_WORDS)
    for status in STATUS_WORDS:
        assert f'id="i-{status}"' in sprite


def test_every_key_and_place_leads_to_a_page() -> None:
    for href in [shortcut.href for shortcut in SHORTCUTS if shortcut.href] + [place.href for place in PLACES]:
        resolve(href)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("role", "may_read_log", "may_archive"),
    [(Role.OPERATOR, True, True), (Role.VIEWER, False, False), (Role.AUDITOR, True, False)],
)
def test_nobody_is_led_to_what_they_may_not_do(role: Role, may_read_log: bool, may_archive: bool) -> None:
    request = RequestFactory().get("/sessions/")
    request.user = make_person(role)
    rail = render("{% rail_places %}", request=request)
    sheet, keys = render("{% keys %}", request=request).split("<hot-keys>")

    assert ("Audit" in rail) == ("/audit/" in keys) == ("Audit" in sheet) == may_read_log
    assert ("session:archive" in keys) == ("Archive" in sheet) == ("rows:select" in keys) == may_archive


def test_an_unheard_of_status_shows_as_unknown() -> None:
    assert 'data-status="unknown"' in render("{% status_badge status %}", status=HOSTILE)


@pytest.mark.parametrize(
    "source",
    [
        "{% status_badge 'running' text evidence=text %}",
        "{% icon 'close' text %}",
        "{% page_header title=text %}{{ text }}{% endpage_header %}",
        "{% message role='user' author=text note=text at_ms=1 href=text %}{{ text }}{% endmessage %}",
        "{% tool_call name=text title=text word=text status='failed' anchor=text %}{{ text }}{% endtool_call %}",
        "{% notice title=text href=text action=text %}{{ text }}{% endnotice %}",
        "{% fold label=text load=text %}{{ text }}{% endfold %}",
        "{% empty title=text %}{{ text }}{% endempty %}",
        "{% dialog id='x' title=text %}{{ text }}{% enddialog %}",
        "{% menu label=text kind='facet' %}{{ text }}{% endmenu %}",
        "{% diff_view text path=text %}",
        "{{ text|short_id }}",
        "{{ text|path_end }}",
        "{% include 'components/code-block.html' with code=text name=text only %}",
        "{% include 'components/search-box.html' with action=text value=text label=text only %}",
        "{% include 'components/copy.html' with text=text label=text only %}",
        "{% include 'components/toast.html' with text=text undo=text only %}",
    ],
)
def test_hostile_text_stays_text(source: str) -> None:
    html = render(source, text=HOSTILE)
    assert "<script" not in html
    assert "&lt;script&gt;" in html


def test_url_of_is_url_for_ids_and_nothing_else() -> None:
    identifier = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    for name in ("session", "session-peek", "terminal"):
        assert render("{% url_of name id %}", name=name, id=identifier) == reverse(name, args=[identifier])
    other = UUID("01890a5d-ac96-774b-bcce-b302099a8058")
    drawn = render("{% url_of 'session-raw-line' id other 17 %}", id=identifier, other=other)
    assert drawn == reverse("session-raw-line", args=[identifier, other, 17])
    for wrong in (HOSTILE, "", True, None):
        with pytest.raises(TypeError):
            render("{% url_of 'session' id %}", id=wrong)


def test_absent_values_are_a_dash() -> None:
    source = "{{ x|relative_time }}{{ x|exact_time }}{{ x|duration }}{{ x|count }}{{ x|tokens }}{{ x|bytes }}"
    assert render(source + "{{ x|dollars }}", x=None) == "\N{EN DASH}" * 7


def test_rounded_values_carry_the_exact_one() -> None:
    assert render("{{ n|tokens }}", n=33_944_484) == '<span title="33,944,484 tokens">33.9M</span>'
    assert render("{{ n|bytes }}", n=999) == '<span title="999 bytes">999 B</span>'
    assert render("{{ n|dollars }}", n=0.0004) == '<span title="$0.0004">&lt; $0.001</span>'
    assert render("{{ part|percent:whole }}", part=5, whole=0) == "0.00%"


def test_the_rail_marks_the_place_of_the_path_and_counts() -> None:
    request = RequestFactory().get("/")
    request.user = Person(username="ada")
    html = render_to_string("components/rail.html", {"request": request, "nav_counts": {"needs_me": 2}})
    assert re.search(r'href="/" aria-current="page"', html)
    assert html.count("aria-current") == 1
    assert re.search(r'data-count="needs_me" data-tone="wait">2<', html)
    assert re.search(r'data-count="running" data-tone="live" hidden>0<', html)


def test_a_long_diff_is_cut_with_a_note() -> None:
    html = render("{% diff_view patch %}", patch="@@ -1 +1 @@\n" + "+x\n" * 3_000)
    assert html.count('data-line="added"') == 1_999
    assert "1,001 more lines are not drawn" in html


def test_a_field_ties_its_help_and_errors_to_the_control() -> None:
    class NameForm(forms.Form):
        name = forms.CharField(help_text="Where it is used.")

    html = render("{% field form.name %}", form=NameForm({}))
    assert 'aria-invalid="true"' in html
    assert 'aria-describedby="id_name_help id_name_error"' in html
    assert 'id="id_name_help"' in html
    assert 'id="id_name_error"' in html


def test_errors_render_without_any_context() -> None:
    plain = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
    with override_settings(STORAGES=plain):
        for status in (400, 403, 404, 409, 500, 503):
            assert str(status) in render_to_string(f"{status}.html")


def test_commands_are_shown_as_they_can_be_typed() -> None:
    assert re.fullmatch(r"(\.venv/bin/)?scrollback watch", render("{% shell_command 'watch' %}"))
