"""What happened beside talk and tools: compaction, searches of the provider, changes of mode and model."""

from typing import Any

from sessions_app.drafts import EventDraft, Place
from sessions_app.importers.codex.thread import Thread
from sessions_app.importers.codex.turns import Turns
from sessions_app.importers.codex.twins import Channel, Twins
from sessions_app.importers.json_lines import brief, json_text, list_of, mapping_of, text_of

_COMPACTION_FIELDS = ("window_number", "window_id", "first_window_id", "previous_window_id")


class Notes:
    def __init__(self, thread: Thread, turns: Turns, twins: Twins, state: dict[str, Any]) -> None:
        self._thread, self._turns, self._twins = thread, turns, twins
        self._is_compacted: bool = state.get("is_compacted", False)

    def state(self) -> dict[str, Any]:
        return {"is_compacted": self._is_compacted}

    def add(self, kind: str, text: str, place: Place, document: dict[str, Any] | None = None) -> None:
        thread = self._thread
        thread.add(
            EventDraft(
                key=thread.key(place.line),
                run=thread.run,
                at_ms=thread.at_ms,
                kind=kind,
                text=text,
                place=place,
                turn=self._turns.number,
                document=json_text(document) if document else "",
            )
        )

    def compacted(self, payload: dict[str, Any], place: Place) -> None:
        """The context was compacted: told by up to three records in a row, of which the first is shown."""
        if self._is_compacted:
            return
        self._is_compacted = True
        document: dict[str, Any] = {"replacement_items": len(list_of(payload.get("replacement_history")))}
        document |= {
            name: payload[name] for name in _COMPACTION_FIELDS if isinstance(payload.get(name), str | int)
        }
        summary = text_of(payload.get("message"))
        if summary:
            document["summary"] = summary
        self.add("session.compacted", summary, place, document)

    def forget_compaction(self) -> None:
        """The conversation has gone on: the next record of a compaction is of another one."""
        self._is_compacted = False

    def web_search_item(self, payload: dict[str, Any], place: Place) -> None:
        self._web_search(mapping_of(payload.get("action")), "", "item", place)

    def web_search_event(self, payload: dict[str, Any], place: Place) -> None:
        self._web_search(mapping_of(payload.get("action")), text_of(payload.get("query")), "event", place)

    def _web_search(self, action: dict[str, Any], query: str, channel: Channel, place: Place) -> None:
        """The provider searched while it answered: no tool of this machine, and no result is recorded."""
        subject = (
            text_of(action.get("query"))
            or text_of(action.get("url"))
            or text_of(action.get("pattern"))
            or query
        )
        if self._twins.is_twin("web search", subject, channel, place.line):
            return
        verb = {"open_page": "Opened page", "find_in_page": "Searched in page"}.get(
            text_of(action.get("type")), "Searched the web"
        )
        self.add(
            "record.noted", f"{verb}: {brief(subject)}", place, {"type": "web_search_call", "action": action}
        )

    def image_generation_item(self, payload: dict[str, Any], place: Place) -> None:
        self._image_generation(payload, "item", place)

    def image_generation_event(self, payload: dict[str, Any], place: Place) -> None:
        self._image_generation(payload, "event", place)

    def _image_generation(self, payload: dict[str, Any], channel: Channel, place: Place) -> None:
        prompt = text_of(payload.get("revised_prompt"))
        if self._twins.is_twin("image generation", prompt, channel, place.line):
            return
        document = {"type": "image_generation_call", "size": len(text_of(payload.get("result")))}
        document |= {
            name: payload[name] for name in ("status", "saved_path") if isinstance(payload.get(name), str)
        }
        self.add("record.noted", f"Generated an image: {brief(prompt)}", place, document)

    def model(self, model: str, place: Place) -> None:
        """Settings of the next call name its model."""
        thread = self._thread
        if not model or model == thread.model:
            return
        if thread.model:
            self.add("model.changed", f"{thread.model} → {model}", place)
        thread.model = model
        thread.run_draft().model = model
        if not thread.is_subagent:
            thread.session().model = model

    def title(self, title: str, place: Place) -> None:
        if title and not self._thread.is_subagent:
            self._thread.session().title = title
            self.add("session.titled", title, place)
