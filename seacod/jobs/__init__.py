"""Batches of recordings that are finished whatever happens: accepted, kept, recognised, handed out.

Here: the store (`store.py`), the runner that works on it (`runner.py`), results (`results.py`).
Not here: recognition, which is `seacod.asr.service`, and HTTP, which is `seacod.web.routes.jobs`.
"""
