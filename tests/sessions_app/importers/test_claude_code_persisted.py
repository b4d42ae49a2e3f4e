"""Outputs that Claude Code keeps in files beside a transcript become the outputs of their calls."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sessions_app.actions.bodies import whole_text
from sessions_app.importers import reading_ahead
from sessions_app.importers.claude_code import persisted, reading
from sessions_app.importers.claude_code.memory import AWAITED_LIMIT
from sessions_app.models import AgentSession, Event, EventKind, Run, Source, ToolCall
from sessions_app.search.find import find
from sessions_app.search.query import parse
from tests.factories import make_person
from tests.sessions_app.importers.claude_records import SESSION, assistant, call, read, result, text, user
from tests.sessions_app.importers.driving import lines
from tests.sessions_app.importers.importing import assert_places_are_gapless, contents, raw_bytes, run_import

pytestmark = pytest.mark.django_db

# Where the machine that wrote the history had it.
ELSEWHERE = f"/home/other/.claude/projects/-home-other-app/{SESSION}/tool-results"
WHOLE = "line\n" * 20_000 + "the very last line\n"


def preview(path: str, shown: str = "line\nline", after: str = "") -> str:
    """What the model is given instead of a large output."""
    return (
        f"<persisted-output>\nOutput too large (97.7KB). Full output saved to: {path}\n\n"
        f"Preview (first 2KB):\n{shown}\n...\n</persisted-output>{after}"
    )


def bash(path: str, number: int = 1, *, after: str = "", **more: Any) -> list[dict[str, Any]]:
    """A call of Bash and its result, as they are recorded when the output is too large."""
    details = {
        "stdout": "line\nline", "stderr": "", "interrupted": False, "isImage": False,
        "persistedOutputPath": path, "persistedOutputSize": 100_000,
    }  # fmt: skip
    return [
        assistant(f"a{number}", number * 10, call(f"t{number}", "Bash", command="make"), **more),
        result(
            f"r{number}", number * 10 + 1, f"t{number}", preview(path, after=after), details=details, **more
        ),
    ]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "projects" / "-home-dev-app"
    (folder / SESSION / "tool-results").mkdir(parents=True)
    return folder


def keep(project: Path, name: str, content: str | bytes = WHOLE) -> Path:
    file = project / SESSION / "tool-results" / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def write(project: Path, *records: Any) -> Path:
    file = project / f"{SESSION}.jsonl"
    file.write_bytes(lines([user("u1", 0, "Go"), *records]))
    return file


def output_of(**wanted: Any) -> str:
    row = ToolCall.objects.select_related("output_blob").get(**wanted)
    return whole_text(row.output, row.output_size, row.output_blob)


def test_the_whole_output_is_the_calls_and_the_line_stays(project: Path) -> None:
    keep(project, "b5.txt")
    file = write(project, *bash(f"{ELSEWHERE}/b5.txt"))

    report = run_import(project)

    assert output_of() == WHOLE
    row = ToolCall.objects.get()
    assert (row.status, row.output_size, row.result_line) == ("completed", len(WHOLE), 3)
    assert raw_bytes(Source.objects.get()) == file.read_bytes()
    assert (report.errors, report.ignored, report.skipped) == ({}, 0, {})


def test_what_claude_deletes_later_is_still_there(project: Path) -> None:
    kept = keep(project, "b5.txt")
    file = write(project, *bash(f"{ELSEWHERE}/b5.txt"))
    run_import(project)

    kept.unlink()
    run_import(project)
    # Written anew from its first line on, as after a restored backup: the preview takes nothing away.
    file.write_bytes(file.read_bytes().replace(b'"Go"', b'"Do"'))
    run_import(project)
    file.unlink()
    run_import(project)

    assert output_of() == WHOLE


def test_a_preview_in_a_later_batch_takes_nothing_away(project: Path, tmp_path: Path) -> None:
    keep(project, "b5.txt")
    records = [user("u1", 0, "Go"), *bash(f"{ELSEWHERE}/b5.txt")]
    for folder in (project, tmp_path / "copy"):
        folder.mkdir(exist_ok=True)
        file = folder / f"{SESSION}.jsonl"
        # The result comes in a batch of its own.
        file.write_bytes(lines(records[:2]))
        run_import(file)
        file.write_bytes(lines(records))
        run_import(file)

    assert Source.objects.count() == 2
    assert output_of() == WHOLE


def test_a_copy_without_the_file_takes_nothing_from_a_runs_answer(project: Path, tmp_path: Path) -> None:
    keep(project, "toolu_1.txt")
    records = [
        assistant("a1", 1, call("t1", "Task", prompt="Dig", description="Digging")),
        result(
            "r1",
            2,
            "t1",
            preview(f"{ELSEWHERE}/toolu_1.txt"),
            details={"agentId": "x1", "status": "completed"},
        ),
    ]
    for folder in (project, tmp_path / "copy"):
        folder.mkdir(exist_ok=True)
        (folder / f"{SESSION}.jsonl").write_bytes(lines(records))
        run_import(folder / f"{SESSION}.jsonl")

    assert Source.objects.count() == 2
    run = Run.objects.select_related("output_blob").get(key="x1")
    assert whole_text(run.output, run.output_size, run.output_blob) == WHOLE


@pytest.mark.parametrize("name", ["toolu_1.txt", "two words.txt", "C:\\Users\\dev\\.claude\\x\\toolu_1.txt"])
def test_a_result_that_names_the_file_in_its_text_alone(project: Path, name: str) -> None:
    keep(project, name.rpartition("\\")[2])
    path = name if "\\" in name else f"{ELSEWHERE}/{name}"
    write(project, assistant("a1", 1, call("t1", "Grep", pattern="x")), result("r1", 2, "t1", preview(path)))
    run_import(project)
    assert output_of() == WHOLE


def test_blocks_and_the_notice_of_an_mcp_server(project: Path) -> None:
    blocks = json.dumps([text("first"), text("second")], indent=2)
    keep(project, "toolu_1.json", blocks)
    keep(project, "mcp-a-b-1.txt", blocks)
    keep(project, "mcp-a-b-2.txt", '[{"type": "text", "text": 7}]')
    keep(project, "toolu_4.txt", blocks)
    notice = (
        "Error: result (71,204 characters across 3 lines) exceeds maximum allowed tokens. "
        "Output has been saved to {}.\n"
        "Format: JSON array with schema: [{{type: string, text: string}}]\nUse offset and limit"
    )
    said = [
        preview(f"{ELSEWHERE}/toolu_1.json"), notice.format(f"{ELSEWHERE}/mcp-a-b-1.txt"),
        notice.format(f"{ELSEWHERE}/mcp-a-b-2.txt"), preview(f"{ELSEWHERE}/toolu_4.txt"),
    ]  # fmt: skip
    calls = [assistant("a1", 1, *(call(f"t{number}", "mcp__a__b") for number in range(4)))]
    write(project, *calls, *(result(f"r{number}", 2, f"t{number}", each) for number, each in enumerate(said)))

    run_import(project)

    assert [output_of(call_id=f"t{number}") for number in range(4)] == [
        "first\nsecond", "first\nsecond", '[{"type": "text", "text": 7}]', blocks,
    ]  # fmt: skip


def test_what_stands_beside_the_preview_is_kept(project: Path) -> None:
    keep(project, "b5.txt", "out\n")
    write(project, *bash(f"{ELSEWHERE}/b5.txt", after="\nExit code 3 was ignored"))
    run_import(project)
    assert output_of() == "out\n\nExit code 3 was ignored"


def test_json_that_is_no_list_of_texts_stays_as_it_is(project: Path) -> None:
    odd = ["[" * 200_000, "[1, 2]", '["text"]', '[{"type": "text", "text": "\\ud800"}, null]', "{}"]
    for number, content in enumerate(odd):
        keep(project, f"t{number}.json", content)
    kept = [f"{ELSEWHERE}/t{number}.json" for number in range(len(odd))]
    write(project, *(record for number, path in enumerate(kept) for record in bash(path, number)))
    assert run_import(project).skipped == {}
    assert [output_of(call_id=f"t{number}") for number in range(len(odd))] == odd


@pytest.mark.parametrize("below", [f"{SESSION}/subagents", f"{SESSION}/subagents/workflows/wf_1", "."])
def test_a_subagents_output_lies_with_its_session(project: Path, below: str) -> None:
    keep(project, "b5.txt")
    folder = project / below
    folder.mkdir(parents=True, exist_ok=True)
    records = bash(f"{ELSEWHERE}/b5.txt", isSidechain=True, agentId="x1")
    (folder / "agent-x1.jsonl").write_bytes(
        lines([user("u1", 0, "Dig", isSidechain=True, agentId="x1"), *records])
    )
    run_import(project)
    assert output_of(run__key="x1") == WHOLE


def test_an_agents_whole_answer_is_its_runs_output_too(project: Path) -> None:
    late = project / SESSION / "tool-results" / "t2.txt"
    keep(project, "t1.txt")
    started = [call(f"t{number}", "Task", prompt="Dig", description="Digging") for number in (1, 2)]
    done = [
        result(f"r{number}", 2, f"t{number}", preview(f"{ELSEWHERE}/t{number}.txt"),
               details={"agentId": f"x{number}", "status": "completed"})
        for number in (1, 2)
    ]  # fmt: skip
    write(project, assistant("a1", 1, *started), *done)
    run_import(project)
    late.write_text(WHOLE)
    run_import(project)

    for key in ("x1", "x2"):
        run = Run.objects.select_related("output_blob").get(key=key)
        assert whole_text(run.output, run.output_size, run.output_blob) == WHOLE
        assert run.status == "completed"


# Late files


def test_a_file_that_comes_later_is_taken_by_the_next_import(project: Path) -> None:
    file = write(project, *bash(f"{ELSEWHERE}/b5.txt"), *bash(f"{ELSEWHERE}/never.txt", 2))
    run_import(project)
    assert output_of(call_id="t1") == preview(f"{ELSEWHERE}/b5.txt")
    assert run_import(project).unchanged == 1
    keep(project, "b5.txt")

    report = run_import(project)

    assert (report.unchanged, report.counts.bytes, report.errors) == (0, 0, {})
    assert output_of(call_id="t1") == WHOLE
    assert output_of(call_id="t2") == preview(f"{ELSEWHERE}/never.txt")
    row = ToolCall.objects.get(call_id="t1")
    assert (row.status, row.result_line) == ("completed", 3)
    assert AgentSession.objects.get().tool_call_count == 2
    assert Event.objects.filter(kind=EventKind.TOOL_CALL_ENDED, subject_id=row.pk).exists()
    assert_places_are_gapless()
    before = contents()
    assert run_import(project).unchanged == 1
    assert contents() == before
    assert raw_bytes(Source.objects.get()) == file.read_bytes()


def test_a_file_that_comes_with_the_next_line_is_taken_with_it(project: Path) -> None:
    file = write(project, *bash(f"{ELSEWHERE}/b5.txt"))
    run_import(project, following=True)
    keep(project, "b5.txt")
    with file.open("ab") as handle:
        handle.write(lines([assistant("a9", 90, text("Done."))]))
    run_import(project, following=True)
    assert output_of() == WHOLE
    assert AgentSession.objects.get().status == "idle"


def test_a_second_result_ends_the_wait(project: Path) -> None:
    write(project, *bash(f"{ELSEWHERE}/b5.txt"), result("r2", 20, "t1", "all of it"))
    run_import(project)
    keep(project, "b5.txt")
    run_import(project)
    assert output_of() == "all of it"


def test_a_batch_takes_only_so_much_and_the_import_all(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (reading, persisted):
        monkeypatch.setattr(module, "ROOM_BYTES", 10_000)
    numbers = range(1, 8)
    for number in numbers:
        keep(project, f"b{number}.txt", f"{number}" * 6_000)
    write(project, *(record for number in numbers for record in bash(f"{ELSEWHERE}/b{number}.txt", number)))

    report = run_import(project)

    assert report.errors == {}
    assert [output_of(call_id=f"t{number}") for number in numbers] == [
        f"{number}" * 6_000 for number in numbers
    ]
    # One in the batch of its line, each other one in a batch of its own.
    assert Event.objects.filter(kind=EventKind.TOOL_CALL_ENDED).count() == len(numbers) - 1
    assert Source.objects.get().modified_ns
    assert run_import(project).unchanged == 1


def test_the_words_of_a_late_output_are_found(project: Path) -> None:
    write(project, *bash(f"{ELSEWHERE}/b5.txt"), *bash(f"{ELSEWHERE}/b6.txt", 2))
    keep(project, "b6.txt", "x " * 5_000 + "heliotrope")
    run_import(project)
    keep(project, "b5.txt", "y " * 5_000 + "aquamarine make")
    run_import(project)
    ada = make_person()
    for word, call_id in (("heliotrope", "t2"), ("aquamarine", "t1"), ("aquamarine Bash", "t1")):
        (hit,) = find(parse(word), ada).hits
        assert hit.object_id == ToolCall.objects.get(call_id=call_id).pk


def test_only_so_many_files_are_awaited() -> None:
    numbers = range(AWAITED_LIMIT + 40)
    outcome = read(*(record for number in numbers for record in bash(f"{ELSEWHERE}/b{number}.txt", number)))
    [[_, state]] = outcome.state["sessions"]
    assert len(state["awaited"]) == AWAITED_LIMIT


# Hostile and broken


@pytest.mark.parametrize(
    "path",
    [
        "../../../../etc/passwd", "/etc/passwd", f"{ELSEWHERE}/../../secret.txt", "..", ".", "/", "", "secret.txt",
        "x" * 5_000, f"{ELSEWHERE}/{'x' * 300}", "\x00", "a\x00b.txt", "\ud800.txt", "..\\..\\secret.txt",
    ],
)  # fmt: skip
def test_a_path_leads_nowhere_but_into_the_sessions_folder(project: Path, path: str) -> None:
    for place in (project, project / SESSION, project.parent):
        (place / "secret.txt").write_text("secret")
    write(project, *bash(path), *bash(path, 2)[:1], result("r2", 22, "t2", preview(path)))

    report = run_import(project)
    run_import(project)

    assert (report.errors, report.skipped) == ({}, {})
    for number in (1, 2):
        shown = output_of(call_id=f"t{number}")
        assert shown.startswith("<persisted-output>")
        assert "secret\n" not in shown
        assert "root:" not in shown


def test_links_must_stay_in_the_folder(project: Path) -> None:
    secret = project.parent / "secret.txt"
    secret.write_text("secret")
    kept = keep(project, "kept.txt", "own")
    folder = kept.parent
    (folder / "out.txt").symlink_to(secret)
    (folder / "up").symlink_to(project.parent, target_is_directory=True)
    (folder / "lost.txt").symlink_to(folder / "nowhere.txt")
    (folder / "loop.txt").symlink_to(folder / "loop.txt")
    (folder / "in.txt").symlink_to(kept)
    names = ["out.txt", "up", "lost.txt", "loop.txt", "in.txt"]
    write(
        project,
        *(record for number, name in enumerate(names) for record in bash(f"{ELSEWHERE}/{name}", number)),
    )

    assert run_import(project).errors == {}
    assert run_import(project).unchanged == 1

    outputs = [output_of(call_id=f"t{number}") for number in range(5)]
    assert outputs == [*(preview(f"{ELSEWHERE}/{name}") for name in names[:4]), "own"]


@pytest.mark.parametrize("linked", [f"{SESSION}/tool-results", SESSION])
def test_a_folder_that_is_a_link_is_not_the_sessions_own(project: Path, tmp_path: Path, linked: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "tool-results").mkdir(parents=True)
    for place in (elsewhere, elsewhere / "tool-results"):
        (place / "b5.txt").write_text("secret")
    (project / SESSION / "tool-results").rmdir()
    if linked == SESSION:
        (project / SESSION).rmdir()
    (project / linked).symlink_to(elsewhere, target_is_directory=True)
    write(project, *bash(f"{ELSEWHERE}/b5.txt"))
    run_import(project)
    assert output_of() == preview(f"{ELSEWHERE}/b5.txt")


def test_what_is_no_file_is_not_opened(project: Path) -> None:
    folder = project / SESSION / "tool-results"
    os.mkfifo(folder / "pipe.txt")
    (folder / "folder.txt").mkdir()
    keep(project, "empty.txt", "")
    names = ["pipe.txt", "folder.txt", "empty.txt"]
    write(
        project,
        *(record for number, name in enumerate(names) for record in bash(f"{ELSEWHERE}/{name}", number)),
    )

    report = run_import(project)

    assert report.errors == {}
    assert [output_of(call_id=f"t{number}") for number in range(3)] == [
        preview(f"{ELSEWHERE}/{name}") for name in names
    ]
    assert run_import(project).unchanged == 1


def test_a_file_that_may_not_be_read_keeps_the_preview(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = keep(project, "b5.txt")
    real_open = os.open

    def refuse(path: Any, *arguments: Any, **options: Any) -> int:
        if str(path) == str(kept):
            raise PermissionError(13, "Permission denied")
        return real_open(path, *arguments, **options)

    monkeypatch.setattr(os, "open", refuse)
    write(project, *bash(f"{ELSEWHERE}/b5.txt"))
    assert run_import(project).errors == {}
    assert output_of() == preview(f"{ELSEWHERE}/b5.txt")


def test_bytes_that_are_no_text_are_replaced(project: Path) -> None:
    keep(project, "b5.txt", b"a\x00b \xff\xfe \xed\xa0\x80 " + "ü".encode() + b" end \xc3")
    write(project, *bash(f"{ELSEWHERE}/b5.txt"))
    run_import(project)
    assert output_of() == "a\u2400b \ufffd\ufffd \ufffd\ufffd\ufffd ü end \ufffd"


def test_an_output_is_cut_at_what_a_line_may_hold_and_says_so(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (reading, persisted):
        monkeypatch.setattr(module, "ROOM_BYTES", 10_000)
    # The cut is inside of a letter.
    keep(project, "b5.txt", "a" + "ü" * 10_000)
    write(project, *bash(f"{ELSEWHERE}/b5.txt"))
    run_import(project)
    said = "\n[the output is cut here: the first 10,000 of its 20,001 bytes are kept]"
    assert output_of() == "a" + "ü" * 4_999 + said
    assert run_import(project).unchanged == 1


def test_fifty_megabytes_are_kept_whole(project: Path) -> None:
    size = 50_000_000
    with keep(project, "b5.txt", "").open("wb") as handle:
        handle.truncate(size - 4)
        handle.seek(0, os.SEEK_END)
        handle.write(b"end\n")
    write(project, *bash(f"{ELSEWHERE}/b5.txt"))

    report = run_import(project)

    assert report.errors == {}
    output = output_of()
    assert len(output) == size
    assert output.endswith("\u2400end\n")


@pytest.mark.parametrize("path", [7, None, [], {}, True])
def test_a_path_that_is_no_text_is_none(project: Path, path: Any) -> None:
    records = [assistant("a1", 1, call("t1", "Bash", command="x"))]
    write(project, *records, result("r1", 2, "t1", "said", details={"persistedOutputPath": path}))
    assert run_import(project).skipped == {}
    assert output_of() == "said"


def test_a_result_without_its_call_has_the_whole_text(project: Path) -> None:
    keep(project, "b5.txt")
    write(project, *bash(f"{ELSEWHERE}/b5.txt")[1:])
    run_import(project)
    session = AgentSession.objects.get()
    message = session.messages.select_related("text_blob").get(role="tool")
    assert whole_text(message.text, message.text_size, message.text_blob) == WHOLE


# Where files are looked for


def test_nothing_in_the_folder_is_a_history_or_another_file(project: Path) -> None:
    foreign = lines([{"role": "user", "content": "not mine"}])
    for name in ("a.txt", "a.json", "a.jsonl", "a.cast", "mcp.meta.json"):
        keep(project, name, foreign if name != "a.json" else '{"key": "k", "messages": []}')
    write(project, *bash(f"{ELSEWHERE}/a.txt"))

    report = run_import(project)

    assert (report.ignored, report.errors) == (0, {})
    assert Source.objects.count() == AgentSession.objects.count() == 1


def test_a_folder_of_that_name_elsewhere_is_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "tool-results"
    folder.mkdir()
    write(folder)
    assert run_import(tmp_path).counts.sessions == 1


def test_the_reader_of_another_process_takes_them_too(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_ahead, "WORTHWHILE_BYTES", 0)
    monkeypatch.setattr(reading_ahead, "usable_cores", lambda: 2)
    keep(project, "b5.txt")
    write(project, *bash(f"{ELSEWHERE}/b5.txt"))
    run_import(project)
    assert output_of() == WHOLE
