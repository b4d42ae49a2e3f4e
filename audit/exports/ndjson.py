"""A line of JSON for each entry: its index, its leaf, and the canonical text exactly as it is hashed."""

from audit.exports.rows import Row


def line(row: Row) -> str:
    # The text is one line by its own rules: RFC 8785 escapes every control character.
    return f'{{"idx":{row.idx},"leaf":"{row.leaf_hex}","entry":{row.body}}}\n'
