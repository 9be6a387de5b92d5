"""Batches of recordings that are finished whatever happens: accepted, kept, recognised, handed out.

Here: the store (`store.py`, while it is used `open_store.py`), the runner that works on it
(`runner.py`, `file_work.py`), recordings elsewhere (`outside/`), results (`results.py`).
Not here: recognition, which is `seacod.asr.service`, and HTTP, which is `seacod.web.routes.jobs`.
"""
