"""Re-attaching to the real consumer over and over, on either database, while output, screens and segments come."""

import random
from dataclasses import dataclass, field

import pytest

from sessions_app.actions.terminals import seal
from sessions_app.actions.terminals.starting import NEAR_BYTES
from sessions_app.terminal import wire
from sessions_app.terminal.follower import Follower, Hole
from tests.factories import make_person
from tests.sessions_app.live.sockets import Socket, cookie_of, here, run
from tests.sessions_app.terminals.keyframes import keyframe_text, make_keyframe
from tests.sessions_app.terminals.recorder import Recorder, start_recorder

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Wanderer:
    """One viewer over many connections: frames come twice or get lost, answers come late."""

    chance: random.Random
    follower: Follower = field(default_factory=Follower)
    screen: bytes = b""
    begun_at: int = 0
    shown: bytearray = field(default_factory=bytearray)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    gaps: int = 0

    def take(self, message: bytes) -> bool:
        """Apply a message; False on a hole."""
        applied = self.follower.receive(wire.decode(message))
        if isinstance(applied, Hole):
            return False
        if isinstance(applied, wire.GapFrame):
            self.gaps += 1
        elif isinstance(applied, wire.KeyframeFrame):
            self.screen, self.begun_at = applied.data, applied.offset
            self.shown.clear()
            self.sizes.clear()
        elif isinstance(applied, wire.OutputFrame):
            assert applied.offset == self.begun_at + len(self.shown)
            self.shown += applied.data
        elif isinstance(applied, wire.ResizeFrame):
            self.sizes.append((applied.offset, applied.cols))
        return True

    async def watch(self, terminal_id: object, cookie: str, until: int, *, trouble: float) -> None:
        """Follow until that offset, or until something goes wrong."""
        self.follower.reconnected()
        path = f"/live/terminals/{terminal_id}/?offset={self.follower.expected}"
        async with Socket(path, cookie) as socket:
            while self.follower.expected < until:
                message = (await socket.event())["bytes"]
                if self.chance.random() < trouble and message[0] == wire.FrameType.OUTPUT:
                    if self.chance.random() < 0.5:
                        return
                    continue
                for _ in range(2 if self.chance.random() < trouble else 1):
                    if not self.take(message):
                        return
                if self.chance.random() < 0.8:
                    await socket.send({"ack": self.follower.expected})


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_viewer_who_wanders_over_a_bad_network_misses_and_repeats_nothing(seed: int) -> None:
    async def scenario() -> None:
        chance = random.Random(seed)
        cookie, recorder = await here(lambda: (cookie_of(make_person()), start_recorder()))
        viewer, written = Wanderer(chance), bytearray()
        resizes: list[tuple[int, int]] = []
        for _ in range(40):
            for _ in range(chance.randint(0, 6)):
                await here(go_on, recorder, chance, written, resizes)
            target = chance.choice([len(written), chance.randint(viewer.follower.expected, len(written))])
            await viewer.watch(recorder.terminal.pk, cookie, target, trouble=0.03)
            assert written[viewer.begun_at : viewer.follower.expected] == viewer.shown
        await here(recorder.write, b"the end")
        written += b"the end"
        await viewer.watch(recorder.terminal.pk, cookie, len(written), trouble=0)
        assert viewer.follower.expected == len(written)
        assert written[viewer.begun_at :] == viewer.shown
        assert viewer.gaps
        if viewer.begun_at:
            assert viewer.screen in (keyframe_text(viewer.begun_at), b"")
        expected = [resize for resize in resizes if resize[0] > viewer.begun_at]
        assert [resize for resize in viewer.sizes if resize[0] > viewer.begun_at] == expected

    run(scenario)


def go_on(
    recorder: Recorder, chance: random.Random, written: bytearray, resizes: list[tuple[int, int]]
) -> None:
    data = chance.randbytes(chance.choice([1, 500, 30_000, NEAR_BYTES // 2]))
    recorder.write(data, after_us=chance.choice([1, 400_000]))
    written += data
    if chance.random() < 0.2:
        cols = chance.randint(20, 200)
        recorder.resize(cols, 24)
        resizes.append((len(written), cols))
    if chance.random() < 0.3:
        make_keyframe(recorder.terminal, len(written), is_heavy=chance.random() < 0.5)
    if chance.random() < 0.2:
        seal(recorder.refresh())
