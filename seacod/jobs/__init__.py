"""Batches of recordings that are finished whatever happens: accepted, kept, worked off, answered.

Here: the store (`store.py`), the one who works (`runner.py`), what is handed out (`results.py`).
Not here: recognition, which is `seacod.asr.service`, and HTTP, which is `seacod.web.routes.jobs`.
"""
