"""Alerts: what is worth telling an operator, kept until it was told. Called by the supervisor.

`desk.py` decides what becomes a message, `outbox.py` keeps it, `delivery.py` sends it through
`mail.py`, `dingtalk.py` and `webhook.py`. Nothing here imports torch, funasr or gradio.
"""
