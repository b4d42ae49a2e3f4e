"""Answers that are too long to be held."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse


def streamed(
    pieces: Iterator[bytes], name: str, content_type: str, *, shown: bool = False
) -> StreamingHttpResponse:
    """A file called `name`, to be saved or to be `shown` in the browser."""
    response = StreamingHttpResponse(_in_steps(pieces), content_type=content_type)
    response["Content-Disposition"] = f'{"inline" if shown else "attachment"}; filename="{name}"'
    return response


async def _in_steps(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Read the database a piece at a time: a synchronous iterator would be read whole before it is sent."""
    step: Any = sync_to_async(next)
    while (piece := await step(pieces, None)) is not None:
        yield piece
