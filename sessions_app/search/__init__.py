"""One search over messages and tool calls, the same on both engines.

`index` writes words, `query` reads what a person typed, `find` answers. SQLite keeps the words in an FTS5
table, Postgres in a tsvector; both only say which entries hold all the words, and the text itself is then
looked at here, so phrases, excerpts and places are exact and alike.
"""
