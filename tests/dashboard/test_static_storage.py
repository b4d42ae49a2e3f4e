"""The static files as they are stored for browsers."""

import re
from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from pytest_django import Settings

from dashboard.static_storage import SHEET, HashedStaticFilesStorage

SOURCES = Path(__file__).parents[2] / "static"
HASHED = {"BACKEND": "dashboard.static_storage.HashedStaticFilesStorage"}
IMPORTED = re.findall(r'@import url\("([^"]+)"\)', (SOURCES / SHEET).read_text())


def store(storage: HashedStaticFilesStorage, sheets: dict[str, str], folder: Path) -> None:
    """Lay `sheets` out in `folder` and store them."""
    for name, text in sheets.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    sources = FileSystemStorage(location=folder)
    for _ in storage.post_process({name: (sources, name) for name in sheets}):
        pass


@pytest.fixture
def storage(tmp_path: Path) -> HashedStaticFilesStorage:
    return HashedStaticFilesStorage(location=tmp_path / "stored", base_url="/static/")


def test_the_stylesheet_brings_all_that_it_imports(tmp_path: Path, settings: Settings) -> None:
    settings.STATIC_ROOT = tmp_path / "stored"
    settings.STORAGES = {**settings.STORAGES, "staticfiles": HASHED}

    call_command("collectstatic", interactive=False, verbosity=0)

    (sheet,) = (tmp_path / "stored" / "css").glob("app.*.css")
    text = sheet.read_text()
    assert "@import" not in text
    assert len(IMPORTED) > 30
    # In the order in which they were imported, each in its layer, whole.
    places = [text.index(first_rule(SOURCES / "css" / name)) for name in IMPORTED]
    assert places == sorted(places)
    assert text.startswith("@layer reset, tokens, base, layout, components, pages, utilities;")
    assert len(text) > sum(len((SOURCES / "css" / name).read_text()) for name in IMPORTED)
    fonts = re.findall(r'url\("\.\./vendor/fonts/([^"]+)"\)', text)
    assert fonts
    assert all((tmp_path / "stored" / "vendor" / "fonts" / name).is_file() for name in fonts)


def first_rule(sheet: Path) -> str:
    rule = next(line for line in sheet.read_text().splitlines() if line.endswith("{"))
    return f"\n{rule}\n"


def test_a_sheet_that_is_not_there_is_an_error(tmp_path: Path, storage: HashedStaticFilesStorage) -> None:
    with pytest.raises(ValueError, match=r"css/app\.css imports css/none\.css, which is not there"):
        store(storage, {SHEET: '@import url("none.css") layer(base);'}, tmp_path)


def test_what_would_not_be_found_beside_the_sheet_is_an_error(
    tmp_path: Path, storage: HashedStaticFilesStorage
) -> None:
    sheets = {SHEET: '@import url("pages/one.css") layer(pages);', "css/pages/one.css": "a { b: url(c.png) }"}

    with pytest.raises(ValueError, match=r"css/pages/one\.css names another file"):
        store(storage, sheets, tmp_path)


def test_another_form_of_import_is_an_error(tmp_path: Path, storage: HashedStaticFilesStorage) -> None:
    with pytest.raises(ValueError, match="imports in another form"):
        store(storage, {SHEET: '@import "base.css";'}, tmp_path)
