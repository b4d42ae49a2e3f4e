"""Bodies that are made once, in the shortest form that the browser says it takes.

Chromium names zstd over TLS and to loopback, and takes any number of frames in a row for one body; over plain
HTTP to another host it names gzip alone. Whatever has a Content-Encoding here is left alone by Django's
GZipMiddleware, whose level takes five times as long.
"""

import re
import zlib

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from dashboard.lib.compression import compress

# Below this the header costs more than is saved.
_LEAST_BYTES = 500
_GZIP_LEVEL = 1
_GZIP_WINDOW = 31


def takes(request: HttpRequest, coding: str) -> bool:
    """Whether the request's Accept-Encoding names this coding, and not only to refuse it."""
    named = re.search(
        rf"(?:^|,)\s*{coding}\s*(?:;\s*q=([0-9.]+)\s*)?(?:,|$)", request.headers.get("Accept-Encoding", "")
    )
    return named is not None and (named[1] or "1").strip("0.") != ""


def answer(request: HttpRequest, body: bytes, content_type: str) -> HttpResponse:
    """The body as an answer, compressed where that helps."""
    coding = next((name for name in ("zstd", "gzip") if takes(request, name)), "")
    if len(body) < _LEAST_BYTES or not coding:
        response = HttpResponse(body, content_type=content_type)
    elif coding == "zstd":
        response = encoded(compress(body), "zstd", content_type)
    else:
        packer = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW)
        response = encoded(packer.compress(body) + packer.flush(), "gzip", content_type)
    patch_vary_headers(response, ["Accept-Encoding"])
    return response


def encoded(body: bytes, coding: str, content_type: str) -> HttpResponse:
    """A body that is in this coding already."""
    return HttpResponse(body, content_type=content_type, headers={"Content-Encoding": coding})
