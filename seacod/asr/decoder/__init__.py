"""Uploads to pieces of speech, in processes of their own: decoding, voice activity, cutting.

Here: the child (`process.py`), what it is forked from (`nursery.py`) and for whom (`births.py`),
what crosses the pipe (`wire.py`), the parent's side (`pool.py`). Not here: the model. The child
imports neither torch nor funasr, so that it is small.
"""
