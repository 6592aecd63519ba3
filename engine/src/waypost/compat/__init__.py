"""What others have not promised: each use of a private name, of an undocumented one, of words in a message.

A module a package, one function a use, with the versions that it was seen with. Where one of them goes away,
`tests/test_compat.py` fails. A module imports nothing of its package before it is called, or says so.

Two uses cannot stand here. `runs/fork_server.py` runs where Waypost is not installed: it ends a fork by
`atexit` and `threading`, as an interpreter ends. `inference/arrays.py` checks what scikit-learn has learned,
array by array: all of it is about private names, and a model whose names it does not know is refused.
"""
