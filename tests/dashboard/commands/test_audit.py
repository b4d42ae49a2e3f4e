"""`scrollback audit`."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import transaction

from audit.actors import SYSTEM
from audit.record import record
from audit.signing import newest_checkpoint

pytestmark = pytest.mark.django_db(transaction=True)


def audit(*arguments: str) -> str:
    out = StringIO()
    call_command("audit", *arguments, stdout=out)
    return out.getvalue()


def sign_in() -> None:
    with transaction.atomic():
        record("sign_in.succeeded", actor=SYSTEM)


def test_the_head_is_printed_signed() -> None:
    sign_in()
    printed = audit("head")
    newest = newest_checkpoint()
    assert newest is not None
    assert printed == newest.note
    assert json.loads(audit("head", "--json"))["size"] == 1


def test_the_head_is_written_where_it_is_wanted(tmp_path: Path) -> None:
    sign_in()
    audit("head", "--to", str(tmp_path / "head"))
    newest = newest_checkpoint()
    assert newest is not None
    assert (tmp_path / "head").read_text() == newest.note


def test_an_empty_log_has_no_head(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("audit", "head")
    assert ended.value.code == 2
    assert "empty" in capsys.readouterr().err
