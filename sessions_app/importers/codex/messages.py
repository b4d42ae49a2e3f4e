"""What was said: prompts, replies, context, and the reasoning that the program shows."""

from typing import Any

from sessions_app.drafts import EventDraft, MessageDraft, MessageKind, Place, Role, SkipLine, UnknownLine
from sessions_app.importers.codex.content import Content, read_image, read_said, told_text
from sessions_app.importers.codex.thread import Thread
from sessions_app.importers.codex.turns import Turns
from sessions_app.importers.codex.twins import Channel, Twins
from sessions_app.importers.codex.vocabulary import is_command, is_context, is_summary
from sessions_app.importers.json_lines import is_list_if_any, json_text, list_of, mapping_of, text_of

# From this version on the program is known to write its context before the mark of the first turn.
_MARKS_FIRST_TURN = [0, 104]
# An editor puts its state above what the person typed.
_REQUEST_HEADING = "## My request for Codex:"
_FIRST_PROMPT_LENGTH = 2000
# Reasoning waits for the reply that it led to; more than this does not wait.
_WAITING_LENGTH = 64_000


class Messages:
    def __init__(self, thread: Thread, turns: Turns, twins: Twins, state: dict[str, Any]) -> None:
        self._thread, self._turns, self._twins = thread, turns, twins
        self._has_prompt: bool = state.get("has_prompt", False)
        # [text, time, place] of each piece.
        self._reasoning: list[tuple[str, int, Place]] = [
            (text, at_ms, Place(*place)) for text, at_ms, place in state.get("reasoning", [])
        ]
        # Key and time of the reply whose calls follow it.
        speaker = state.get("speaker")
        self.speaker: tuple[str, int] | None = (speaker[0], speaker[1]) if speaker else None

    def state(self) -> dict[str, Any]:
        return {
            "has_prompt": self._has_prompt,
            "reasoning": [[text, at_ms, list(place)] for text, at_ms, place in self._reasoning],
            "speaker": list(self.speaker) if self.speaker else None,
        }

    def item(self, payload: dict[str, Any], place: Place) -> MessageDraft | None:
        """A message of the model's history. None when it was met before, or is empty."""
        role = payload.get("role")
        if role not in ("assistant", "user", "developer", "system"):
            raise UnknownLine(f"message of the role {str(role)[:40]}")
        content = read_said(payload.get("content"), place, self._thread.draft)
        match role:
            case "assistant":
                return self.reply(content, "item", place)
            case "user":
                return self._user_item(content, place)
        return self.add("system" if role == "system" else "developer", "context", content, place)

    def typed(self, payload: dict[str, Any], place: Place) -> MessageDraft | None:
        """The event for what a person sent."""
        images = list_of(payload.get("images")) or list_of(payload.get("local_images"))
        texts = [text_of(payload.get("message")) if images else told_text(payload.get("message"))]
        content = Content("")
        for url in list_of(payload.get("images")):
            texts.extend(read_image(text_of(url), content.attachments))
        texts.extend(
            f"[image: {path}]" for path in list_of(payload.get("local_images")) if isinstance(path, str)
        )
        content.text = "\n\n".join(text for text in texts if text)
        if images and not content.text and not content.attachments:
            raise SkipLine("none of its pictures can be read")
        if payload.get("kind") in ("user_instructions", "environment_context") or is_context(content.text):
            return self._context_event(content, place)
        return self.prompt(content, "event", place)

    def _context_event(self, content: Content, place: Place) -> MessageDraft | None:
        if self._twins.is_twin("context", content.text, "event", place.line):
            return None
        return self.add("user", "context", content, place)

    def _user_item(self, content: Content, place: Place) -> MessageDraft | None:
        text, turns = content.text, self._turns
        before_first = not turns.number and self._thread.cli_version >= _MARKS_FIRST_TURN
        if is_summary(text):
            return self.add("user", "summary", content, place)
        if is_context(text) or (turns.are_marked and not turns.is_open) or before_first:
            if self._twins.is_twin("context", text, "item", place.line):
                return None
            return self.add("user", "context", content, place)
        return self.prompt(content, "item", place)

    def prompt(self, content: Content, channel: Channel, place: Place) -> MessageDraft | None:
        text = content.text
        if not text and not content.attachments:
            return None
        if self._twins.is_twin("user", text, channel, place.line, next_line_too=True):
            return None
        self.speaker = None
        self.flush_reasoning()
        if self._turns.prompt() and not self._thread.is_subagent:
            self._thread.session().turns += 1
        if not self._has_prompt:
            self._has_prompt = True
            self._see_first_prompt(text)
        return self.add("user", "command" if is_command(text) else "prompt", content, place)

    def _see_first_prompt(self, text: str) -> None:
        """It heads the session; a subagent's is what its run was asked."""
        if self._thread.is_subagent:
            self._thread.run_draft().input = text
        else:
            request = text.rpartition(_REQUEST_HEADING)[2].strip()
            self._thread.session().first_prompt = request[:_FIRST_PROMPT_LENGTH]

    def reply(self, content: Content, channel: Channel, place: Place) -> MessageDraft | None:
        if not content.text and not content.attachments:
            return None
        if self._twins.is_twin("assistant", content.text, channel, place.line, next_line_too=True):
            return None
        self._turns.reply()
        draft = self.add("assistant", "reply", content, place)
        draft.model = self._thread.model
        draft.reasoning = "\n\n".join(text for text, _, _ in self._reasoning)
        self._reasoning.clear()
        self.speaker = (draft.key, draft.at_ms)
        if self._thread.is_subagent:
            self._thread.run_draft().output = draft.text
        return draft

    def add(self, role: Role, kind: MessageKind, content: Content, place: Place) -> MessageDraft:
        thread = self._thread
        draft = MessageDraft(
            key=thread.key(place.line),
            run=thread.run,
            at_ms=thread.at_ms,
            role=role,
            kind=kind,
            text=content.text,
            place=place,
            turn=self._turns.number,
            attachments=content.attachments,
        )
        thread.add(draft)
        return draft

    def reasoning_item(self, payload: dict[str, Any], place: Place) -> None:
        """A reasoning item: its summary, or the thought itself where it is not encrypted."""
        summary, thought = payload.get("summary"), payload.get("content")
        if not (is_list_if_any(summary) and is_list_if_any(thought)):
            raise SkipLine("reasoning that is no list of texts")
        parts = [mapping_of(part).get("text") for part in (*list_of(summary), *list_of(thought))]
        lost = sum(not isinstance(part, str) for part in parts)
        if lost and lost == len(parts):
            raise SkipLine("no part of the reasoning can be read")
        if lost:
            self._thread.draft.remark(place, f"{lost} of {len(parts)} parts of the reasoning cannot be read")
        for part in parts:
            self._hold(text_of(part), "item", place)
        self._release()

    def reasoning(self, text: str, place: Place) -> None:
        """The event for a piece of reasoning."""
        self._hold(text, "event", place)
        self._release()

    def _hold(self, text: str, channel: Channel, place: Place) -> None:
        if text and not self._twins.is_twin("reasoning", text, channel, place.line):
            self._turns.reply()
            self._reasoning.append((text, self._thread.at_ms, place))

    def _release(self) -> None:
        if sum(len(piece) for piece, _, _ in self._reasoning) > _WAITING_LENGTH:
            self.flush_reasoning()

    def flush_reasoning(self) -> None:
        """No reply follows this reasoning: it stands on the timeline by itself."""
        if not self._reasoning:
            return
        _, at_ms, place = self._reasoning[0]
        text = "\n\n".join(text for text, _, _ in self._reasoning)
        thread = self._thread
        thread.add(
            EventDraft(
                key=thread.key(place.line),
                run=thread.run,
                at_ms=at_ms,
                kind="record.noted",
                text=text,
                place=place,
                turn=self._turns.number,
                # The text of an event is a heading; the whole of a long one stands here.
                document=json_text({"type": "reasoning", "text": text}),
            )
        )
        self._reasoning.clear()
