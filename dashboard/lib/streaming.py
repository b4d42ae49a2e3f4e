"""Answers that are too long to be held."""

from collections.abc import AsyncGenerator, Callable, Iterator

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.http import StreamingHttpResponse

from dashboard.lib.db import end_of_thread


def streamed(
    pieces: Iterator[bytes], name: str, content_type: str, *, shown: bool = False
) -> StreamingHttpResponse:
    """A file called `name`, to be saved or to be `shown` in the browser."""
    response = StreamingHttpResponse(in_steps(lambda: next(pieces, None)), content_type=content_type)
    response["Content-Disposition"] = f'{"inline" if shown else "attachment"}; filename="{name}"'
    return response


async def in_steps[Found](step: Callable[[], Found | None]) -> AsyncGenerator[Found]:
    """What `step` returns until that is None, read in a thread of its own with its own database connection.

    A synchronous iterator would be read whole before the first of it is sent.
    """
    async with ThreadSensitiveContext():
        call, close = sync_to_async(step), sync_to_async(end_of_thread)
        try:
            while (found := await call()) is not None:
                yield found
        finally:
            # After the step that still runs, when the reader left in its middle.
            await close()
