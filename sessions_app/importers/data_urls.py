"""Pictures and documents that stand inside text as data URLs."""

import base64
import binascii
import re

from sessions_app.drafts import Attachment

_HEAD = re.compile(r"data:([\w.+-]{1,60}/[\w.+-]{1,60});base64,", re.ASCII)


def attachment_of(url: str, name: str = "") -> Attachment | None:
    """The content of a data URL; None for any other address and for content that is not valid base64."""
    found = _HEAD.match(url)
    if found is None:
        return None
    try:
        content = base64.b64decode(url[found.end() :], validate=True)
    except (binascii.Error, ValueError):
        return None
    return Attachment(found[1], content, name)
