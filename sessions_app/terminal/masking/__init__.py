"""Secrets out of a terminal's bytes before anything keeps them. Standard library only: the recorder needs it too.

`rules` says what a secret looks like, `catalogue` which kinds are known, `known` how a value that one knows
may be written, `view` finds the text between the escape sequences, `detector` finds secrets in text, `masker`
does it to a stream of bytes, `events` to a stream of events, `policy` reads the settings. Only `sieve`, which is
for the server's imports, needs more. docs/terminals.md tells what is promised.
"""
