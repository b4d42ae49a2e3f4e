"""asciicast v1, v2 and v3: the format in which terminal recordings enter and leave.

`model` names what a recording consists of, `reader` (v2, v3) and `v1` turn files into it, `writer` turns it
back, `text` carries arbitrary bytes through JSON text. Nothing is imported here, so that the recorder,
which may use the standard library only, can take `text` without the JSON library that `reader` needs.
"""
