"""Alerts: what is worth telling an operator, kept until it was told. Called by the supervisor.

`deduplicator.py` decides what becomes a message, `outbox.py` keeps it, `delivery.py` sends it
through the channels of `channels/`. Nothing here imports torch, funasr or gradio.
"""
