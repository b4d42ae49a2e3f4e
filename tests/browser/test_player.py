"""The player's reading and clock, in a real browser against the real server, with a screen that only remembers."""

import random
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Page

from sessions_app.models import Terminal
from sessions_app.terminal.asciicast.model import Event, Output, Resize
from sessions_app.terminal.engine.version import ENGINE
from tests.browser.player_pages import wait_for_text
from tests.browser.running import Server
from tests.browser.test_terminals import until
from tests.sessions_app.terminals.keyframes import make_keyframe
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

# How the page uses answers that are the same from either engine.
pytestmark = [pytest.mark.browser, pytest.mark.once]

KB = 1024
# A screen that takes a moment for each frame, as a real one does, and knows what it was given since it was reset.
_MAKE = """async (id) => {
  const { Player } = await import("scrollback/terminal/player");
  const shown = { keyframe: null, from: 0, bytes: 0, sum: 0, sizes: [], pieces: 0, keyframes: 0 };
  window.shown = shown;
  window.fetched = [];
  window.failures = [];
  window.caught = 0;
  const text = new TextDecoder();
  const apply = (frame, done) => {
    if (frame.type === "keyframe") {
      Object.assign(shown, { keyframe: text.decode(frame.bytes), from: frame.offset, bytes: 0, sum: 0, sizes: [] });
      shown.keyframes += 1;
    } else if (frame.type === "output") {
      if (frame.offset !== shown.from + shown.bytes) window.failures.push(`output at ${frame.offset}`);
      for (const byte of frame.bytes) shown.sum = (shown.sum * 31 + byte) % 1000003;
      shown.bytes += frame.bytes.length;
      shown.pieces += 1;
    } else if (frame.type === "resize") shown.sizes.push(`${frame.cols}x${frame.rows}@${frame.offset}`);
    setTimeout(done, 1);
  };
  window.player = new Player(id, {
    apply,
    reveal: (done) => setTimeout(done, 1),
    changed() {},
    failed: (error) => window.failures.push(String(error)),
    caughtUp: () => (window.caught += 1),
    fetch: (address, options) => {
      window.fetched.push(address.split("/").at(-1));
      return fetch(address, options);
    },
  });
  await window.player.load();
}"""


@dataclass
class Recorded:
    """What was recorded, and so what is to be seen at any moment."""

    recorder: Recorder
    output: bytes = b""
    times: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    sizes: list[tuple[int, str]] = field(default_factory=list)
    # Places that a player came to rest at: screens may have been drawn for them.
    sought: set[int] = field(default_factory=set)

    def add(self, *events: Event) -> None:
        for event in events:
            if isinstance(event, Output):
                self.output += event.data
                self.times.append(event.time_us)
                self.ends.append(len(self.output))
            elif isinstance(event, Resize):
                self.sizes.append((len(self.output), f"{event.cols}x{event.rows}"))
        self.recorder.send(*events)
        self.recorder.time_us = events[-1].time_us

    def offset_at(self, us: int) -> int:
        index = bisect_right(self.times, us)
        return self.ends[index - 1] if index else 0

    def time_at(self, offset: int) -> int:
        """When the first `offset` bytes were out."""
        return self.times[bisect_left(self.ends, offset)] if offset else 0

    def expected(self, start: int, offset: int) -> dict[str, Any]:
        total = 0
        for byte in self.output[start:offset]:
            total = (total * 31 + byte) % 1_000_003
        return {"from": start, "bytes": offset - start, "sum": total}


def make_recording(chooser: random.Random, *, size: int = 1_500 * KB, ended: bool = True) -> Recorded:
    recorded = Recorded(start_recorder())
    time_us = 0
    events: list[Event] = []
    done = 0
    while done < size:
        piece = chooser.randbytes(chooser.choice([1, 20, 500, 4_000, 30_000]))
        time_us += chooser.choice([0, 1, 2_000, 40_000])
        events.append(Output(time_us, piece))
        done += len(piece)
        if chooser.random() < 0.03:
            events.append(Resize(time_us, chooser.randint(20, 200), 24))
    for start in range(0, len(events), 60):
        recorded.add(*events[start : start + 60])
    for offset in range(100 * KB, size, 100 * KB):
        place = offset + chooser.randrange(50 * KB)
        # As the server's own, it may have the time of the last of several writes that came together.
        at_us = recorded.time_at(place) + chooser.choice([0, 20_000])
        make_keyframe(recorded.recorder.terminal, place, at_us=at_us)
        if chooser.random() < 0.2:
            make_keyframe(recorded.recorder.terminal, place, at_us=at_us, is_heavy=True)
    if ended:
        recorded.recorder.exit(0)
    return recorded


def open_player(page: Page, recorded: Recorded) -> None:
    page.goto("/settings/")
    page.evaluate(_MAKE, str(recorded.recorder.terminal.pk))


def shown(page: Page) -> dict[str, Any]:
    assert page.evaluate("window.failures") == []
    found: dict[str, Any] = page.evaluate("window.shown")
    return found


def expect_shown(page: Page, recorded: Recorded, offset: int) -> None:
    found = shown(page)
    recorded.sought.add(offset)
    expected = recorded.expected(found["from"], offset)
    assert {name: found[name] for name in expected} == expected
    if found["from"]:
        # One of ours, one that the server has made of the same bytes meanwhile, or one drawn for just this place.
        kept = recorded.recorder.terminal.keyframes.filter(offset=found["from"])
        texts = [row.read().decode("utf-8", "replace") for row in kept]
        assert found["keyframe"] in texts or (found["keyframe"] and found["from"] in recorded.sought)
    applied = [f"{size}@{at}" for at, size in recorded.sizes if found["from"] <= at <= offset]
    assert applied[-len(found["sizes"]) :] == found["sizes"] or not found["sizes"]
    assert page.evaluate("player.offset") == offset


def test_any_sequence_of_seeks_shows_each_moment_exactly(signed_in_page: Page, server: Server) -> None:
    chooser = random.Random(8)
    recorded = make_recording(chooser)
    open_player(signed_in_page, recorded)
    for _ in range(60):
        if chooser.random() < 0.7:
            us = chooser.choice([chooser.randint(0, recorded.times[-1]), chooser.choice(recorded.times)])
            assert signed_in_page.evaluate("(us) => player.seek(us)", us)
            offset = recorded.offset_at(us)
            assert signed_in_page.evaluate("player.atUs") == us
        else:
            offset = chooser.randint(0, len(recorded.output))
            assert signed_in_page.evaluate("(offset) => player.seekOffset(offset)", offset)
        expect_shown(signed_in_page, recorded, offset)
        assert shown(signed_in_page)["bytes"] <= 400 * KB, "never a long way to a moment"


def test_a_screen_that_bears_a_later_time_hides_no_write_before_it(
    signed_in_page: Page, server: Server
) -> None:
    recorded = make_recording(random.Random(8))
    late = recorded.recorder.terminal.keyframes.order_by("offset")
    places = [(row.offset, row.at_us) for row in late if row.at_us > recorded.time_at(row.offset)]
    assert places
    open_player(signed_in_page, recorded)
    for place, at_us in places:
        for us in (recorded.time_at(place), at_us - 1):
            signed_in_page.evaluate("(us) => player.seek(us)", us)
            expect_shown(signed_in_page, recorded, recorded.offset_at(us))


def test_one_request_leads_to_any_moment_and_none_to_one_seen_before(
    signed_in_page: Page, server: Server
) -> None:
    recorded = make_recording(random.Random(9))
    # A screen that is derived meanwhile would make the map another one, and what it leads to is asked for again.
    until(
        lambda: not ENGINE or recorded.recorder.refresh().derived_end,
        "the server should derive what was recorded",
    )
    open_player(signed_in_page, recorded)
    middle, late = recorded.times[-1] // 2, recorded.times[-1] * 9 // 10

    def fetched() -> list[str]:
        addresses: list[str] = signed_in_page.evaluate("fetched.splice(0)")
        return addresses

    assert fetched() == ["map"]
    # What is around it is for whoever stays.
    [first] = signed_in_page.evaluate(
        "async (us) => { await player.seek(us); return fetched.splice(0); }", late
    )
    assert first.startswith("stretch?")
    signed_in_page.evaluate("() => new Promise((done) => setTimeout(done, 300))")
    assert len(fetched()) in ((1, 2) if ENGINE else (0, 1))
    signed_in_page.evaluate("(us) => player.seek(us)", middle)
    signed_in_page.evaluate("() => new Promise((done) => setTimeout(done, 300))")
    fetched()
    signed_in_page.evaluate("(us) => player.seek(us)", late)
    signed_in_page.evaluate("(us) => player.seek(us)", middle)
    assert [address for address in fetched() if "us=" in address] == []


def test_the_newest_of_many_seeks_wins(signed_in_page: Page, server: Server) -> None:
    chooser = random.Random(10)
    recorded = make_recording(chooser)
    open_player(signed_in_page, recorded)
    moments = [chooser.randint(0, recorded.times[-1]) for _ in range(30)]
    results = signed_in_page.evaluate(
        """async (moments) => {
          const seeks = [];
          for (const us of moments) {
            seeks.push(player.seek(us));
            if (Math.random() < 0.3) await new Promise((done) => setTimeout(done, 2));
          }
          return Promise.all(seeks);
        }""",
        moments,
    )
    assert results[-1] is True
    expect_shown(signed_in_page, recorded, recorded.offset_at(moments[-1]))
    assert not signed_in_page.evaluate("player.busy")


def test_steps_go_from_write_to_write_and_from_screen_to_screen(signed_in_page: Page, server: Server) -> None:
    recorded = make_recording(random.Random(11), size=500 * KB)
    open_player(signed_in_page, recorded)
    index = len(recorded.times) // 2
    signed_in_page.evaluate("(offset) => player.seekOffset(offset)", recorded.ends[index])
    expect_shown(signed_in_page, recorded, recorded.ends[index])
    keyframes = {row.offset for row in recorded.recorder.terminal.keyframes.all()}
    segments = {row.offset for row in recorded.recorder.refresh().segments.all()}
    cuts = sorted({*recorded.ends, *keyframes, *segments, 0, *(at for at, _ in recorded.sizes)})
    for way, step in (("nextWrite", 1), ("previousWrite", -1)) * 2:
        for _ in range(30):
            before = signed_in_page.evaluate("player.offset")
            assert signed_in_page.evaluate(f"player.{way}()")
            after = signed_in_page.evaluate("player.offset")
            expect_shown(signed_in_page, recorded, after)
            assert after in cuts or recorded.recorder.terminal.keyframes.filter(offset=after).exists()
            if step < 0:
                assert 0 < before - after <= 30_000
            else:
                assert 0 <= after - before <= 30_000
    for way in ("nextKeyframe", "previousKeyframe", "previousKeyframe"):
        assert signed_in_page.evaluate(f"player.{way}()")
        assert signed_in_page.evaluate("player.offset") in keyframes | {0}
        expect_shown(signed_in_page, recorded, signed_in_page.evaluate("player.offset"))


@pytest.mark.parametrize(("before", "sought"), [(30, 250), (250, 30)])
def test_a_step_during_a_seek_goes_on_from_the_moment_that_is_sought(
    signed_in_page: Page, server: Server, before: int, sought: int
) -> None:
    recorded = Recorded(start_recorder())
    line = b"x" * 4_094 + b"\r\n"
    for first in range(0, 300, 50):
        recorded.add(*[Output((number + 1) * 10_000, line) for number in range(first, first + 50)])
    recorded.recorder.exit(0)
    open_player(signed_in_page, recorded)
    recorded.sought.add(recorded.ends[sought])
    for steps, reached in ((["nextWrite"], 1), (["previousWrite"], -1), (["nextWrite", "nextWrite"], 2)):
        signed_in_page.evaluate("(us) => player.seek(us)", recorded.times[before])
        expect_shown(signed_in_page, recorded, recorded.ends[before])
        arrived = signed_in_page.evaluate(
            """([us, steps]) => {
              const seek = player.seek(us);
              return Promise.all([seek, ...steps.map((step) => player[step]())]);
            }""",
            [recorded.times[sought], steps],
        )
        assert arrived[0] is arrived[-1] is True
        expect_shown(signed_in_page, recorded, recorded.ends[sought + reached])
        assert signed_in_page.evaluate("player.atUs") == recorded.times[sought + reached]
        assert not signed_in_page.evaluate("player.busy || player.playing")


def test_a_step_gives_way_to_a_newer_seek(signed_in_page: Page, server: Server) -> None:
    recorded = make_recording(random.Random(11), size=500 * KB)
    open_player(signed_in_page, recorded)
    first, middle, last = (recorded.times[len(recorded.times) * part // 4] for part in (1, 2, 3))
    for step in ("nextWrite", "previousWrite", "nextKeyframe", "previousKeyframe"):
        for sought in (middle, None):
            signed_in_page.evaluate("(us) => player.seek(us)", first)
            done = signed_in_page.evaluate(
                """([step, sought, last]) => {
                  if (sought !== null) player.seek(sought);
                  return Promise.all([player[step](), player.seek(last)]);
                }""",
                [step, sought, last],
            )
            assert done == [False, True]
            expect_shown(signed_in_page, recorded, recorded.offset_at(last))


def test_playing_draws_every_byte_in_its_time(signed_in_page: Page, server: Server) -> None:
    recorded = Recorded(start_recorder())
    time_us = 0
    for number in range(60):
        time_us += 20_000
        recorded.add(Output(time_us, b"%d\r\n" % number * 2_000))
    recorded.add(Output(time_us + 3_600_000_000, b"after an hour"))
    for offset in (100 * KB, 300 * KB):
        make_keyframe(recorded.recorder.terminal, offset, at_us=recorded.time_at(offset))
    recorded.recorder.exit(0)
    open_player(signed_in_page, recorded)
    lasted, skipped = signed_in_page.evaluate(
        """async () => {
          const started = performance.now();
          let skipped = null;
          player.speed = 2;
          await player.seek(0);
          player.play();
          while (player.playing) {
            skipped = player.skipped ?? skipped;
            await new Promise((done) => setTimeout(done, 5));
          }
          return [performance.now() - started, skipped];
        }"""
    )
    expect_shown(signed_in_page, recorded, len(recorded.output))
    assert shown(signed_in_page)["keyframes"] == 1, "it goes on without another beginning"
    # 1.2 s at double speed, and the pause shown for 0.3 s.
    assert 850 < lasted < 3_000
    assert skipped["toUs"] - skipped["fromUs"] > 3_590_000_000
    assert signed_in_page.evaluate("player.atUs") == time_us + 3_600_000_000


def test_a_recording_that_goes_on_grows_while_it_is_played_and_is_followed_then(
    signed_in_page: Page, server: Server
) -> None:
    recorded = make_recording(random.Random(12), size=200 * KB, ended=False)
    open_player(signed_in_page, recorded)
    signed_in_page.evaluate("(us) => player.seek(us)", recorded.times[-1] - 300_000)
    recorded.add(Output(recorded.times[-1] + 100_000, b"more" * 1_000))
    signed_in_page.evaluate(
        """async () => {
          player.play();
          while (!window.caught) await new Promise((done) => setTimeout(done, 5));
        }"""
    )
    expect_shown(signed_in_page, recorded, len(recorded.output))
    assert signed_in_page.evaluate("[player.playing, player.follower.expected]") == [
        False,
        len(recorded.output),
    ]
    # What comes now is known when it is asked for.
    recorded.add(Output(recorded.times[-1] + 5_000_000, b"and on"))
    assert signed_in_page.evaluate("(us) => player.seek(us)", recorded.times[-1])
    expect_shown(signed_in_page, recorded, len(recorded.output))


def test_what_came_before_is_shown_up_to_where_one_is(signed_in_page: Page, server: Server) -> None:
    recorded = make_recording(random.Random(13), size=2_500 * KB)
    open_player(signed_in_page, recorded)
    offset = len(recorded.output)
    visited = []
    while True:
        part = signed_in_page.evaluate(
            """async (offset) => {
              const part = await player.earlier(offset);
              if (!part) return null;
              const [first, ...rest] = part.frames;
              const bytes = rest.reduce((sum, frame) => sum + (frame.bytes?.length ?? 0), 0);
              return { from: part.from, to: part.to, first: [first.type, first.offset], bytes, frames: rest.length };
            }""",
            offset,
        )
        if part is None:
            break
        assert part["to"] == offset
        assert part["first"] == ["keyframe", part["from"]]
        assert part["bytes"] == offset - part["from"]
        assert part["bytes"] <= 1_200 * KB
        visited.append(part["from"])
        offset = part["from"]
    assert visited[-1] == 0
    assert len(visited) >= 3


def test_times_and_offsets_are_translated_exactly(signed_in_page: Page, server: Server) -> None:
    chooser = random.Random(14)
    recorded = make_recording(chooser, size=400 * KB)
    open_player(signed_in_page, recorded)
    offsets = [chooser.randint(0, len(recorded.output)) for _ in range(30)]
    found = signed_in_page.evaluate(
        "(all) => Promise.all(all.map((offset) => player.timeAt(offset)))", offsets
    )
    assert found == [recorded.time_at(offset) for offset in offsets]
    moments = [chooser.randint(0, recorded.times[-1]) for _ in range(30)] + recorded.times[::50]
    found = signed_in_page.evaluate("(all) => Promise.all(all.map((us) => player.offsetAt(us)))", moments)
    assert found == [recorded.offset_at(us) for us in moments]


def test_a_failed_reading_is_told_and_tried_again(
    signed_in_page: Page, server: Server, problems: Any
) -> None:
    problems.allow(r"404|Failed to load")
    recorded = make_recording(random.Random(15), size=100 * KB)
    open_player(signed_in_page, recorded)
    Terminal.objects.update(deleted_ms=1)
    assert signed_in_page.evaluate("player.seek(1000)") is False
    assert signed_in_page.evaluate("window.failures.splice(0).length") == 1
    Terminal.objects.update(deleted_ms=None)
    assert signed_in_page.evaluate("player.seek(1000)") is True


# Both requests for the map, and one for frames that is under way meanwhile, wait until they are let through.
_HOLD = """() => {
  const { fetch } = window;
  window.held = [];
  window.holds = (address) => address.includes("/map");
  window.fetch = async (address, options) => {
    if (!holds(address)) return fetch(address, options);
    await new Promise((go, stop) => {
      held.push({ address, go });
      options?.signal?.addEventListener("abort", () => stop(options.signal.reason));
    });
    return fetch(address, options);
  };
  window.letThrough = async (part) => {
    for (const end = Date.now() + 10_000; !held.some(({ address }) => address.includes(part)); ) {
      if (Date.now() > end) throw new Error(`nobody asked for ${part}`);
      await new Promise((done) => setTimeout(done, 5));
    }
    held.splice(held.findIndex(({ address }) => address.includes(part)), 1)[0].go();
  };
}"""


def test_screens_that_are_made_anew_while_it_plays_do_not_stop_it(
    signed_in_page: Page, server: Server
) -> None:
    recorded = Recorded(start_recorder())
    recorded.add(*[Output(number * 100_000, b"%06d " % number * 1_000) for number in range(1, 101)])
    recorded.recorder.exit(0)
    wait_for_text(recorded.recorder)
    open_player(signed_in_page, recorded)
    page = signed_in_page
    page.evaluate("player.seek(500_000)")
    before = page.evaluate("player.map.version")
    page.evaluate(_HOLD)
    Terminal.objects.filter(pk=recorded.recorder.terminal.pk).update(derivation=1)
    page.evaluate("(player.play(), window.reloaded = player.reload(), null)")
    # What changed is known, and all of it is asked for: until it comes the old map is played by.
    page.evaluate("letThrough('map?after=')")
    until(lambda: page.evaluate("held.some(({ address }) => address.endsWith('/map'))"), "the whole map")
    reached = page.evaluate("player.atUs")
    until(lambda: page.evaluate("player.atUs") > reached + 300_000, "it should go on")
    assert page.evaluate("player.playing && player.map.version") == before
    # Frames that are waited for just then are not given up either.
    page.evaluate("(holds = (address) => address.includes('frames') || address.includes('stretch'), null)")
    page.evaluate("(player.pause(), window.sought = player.seek(9_000_000), null)")
    until(lambda: page.evaluate("held.length > 1"), "the frames of that moment")
    page.evaluate("letThrough('/map')")
    page.evaluate("reloaded")
    assert page.evaluate("player.map.version") != before
    page.evaluate("(holds = () => false, held.splice(0).forEach(({ go }) => go()))")
    assert page.evaluate("sought")
    assert shown(page)["from"] + shown(page)["bytes"] == recorded.offset_at(9_000_000)
