"""A browser that goes while something is on its way to it."""

import asyncio
import logging
import uuid

import pytest
from autobahn.exception import Disconnected

from sessions_app.live.consumers.console import ConsoleConsumer
from sessions_app.live.facts import Login, Mailbox

# Nothing here reaches a database.
pytestmark = pytest.mark.once


class Silent(ConsoleConsumer):
    async def begin(self) -> None:
        """Nothing: it would count."""


def test_what_is_sent_to_a_browser_that_went_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def gone(_message: object) -> None:
        raise Disconnected("Attempt to send on a closed protocol")

    async def follow() -> bool:
        consumer = Silent()
        consumer.base_send = gone
        mailbox = Mailbox(Login(uuid.uuid4(), 0, "key"), None)
        mailbox.post(database="away")
        consumer._following = asyncio.create_task(consumer._follow(mailbox))
        await asyncio.wait([consumer._following], timeout=5)
        return consumer._following.cancelled()

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(follow())
    assert caplog.records == []
