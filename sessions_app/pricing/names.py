"""What a model is called in price lists, from what agents and gateways call it."""

import re
from functools import lru_cache

# `us.anthropic.` and the like, where a word of letters comes after: `gpt-5.1` keeps its dot.
_MAKER = re.compile(r"^(?:[a-z][a-z-]*\.)+(?=[a-z])")
_END = re.compile(
    r"(?:\[\d+[km]\]"  # claude-opus-4-6[1m]
    r"|-v\d+:\d+"  # claude-sonnet-4-5-20250929-v1:0
    r"|@(?:20\d{6}|latest|default)"  # claude-sonnet-4-5@20250929
    r"|-20\d{6}|-20\d\d-\d\d-\d\d"
    r"|-latest)$",
    re.ASCII,
)


@lru_cache(maxsize=1_000)
def model_key(name: str) -> str:
    """`us.anthropic.claude-sonnet-4-5-20250929-v1:0` and `anthropic/claude-sonnet-4.5` are `claude-sonnet-4-5`."""
    key = name.strip().lower().rpartition("/")[2]
    key = _MAKER.sub("", key)
    while (shorter := _END.sub("", key)) != key:
        key = shorter
    return key.replace(".", "-")
