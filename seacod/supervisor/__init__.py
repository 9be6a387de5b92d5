"""The supervisor process: starts, watches and replaces the worker, owns the listening socket.

Never imports torch, funasr or gradio, nor `seacod.asr` or `seacod.web` (a test proves it).
"""
