"""OpenAI's Realtime API, as far as it writes down what is said: transcription sessions over a
WebSocket, on the live sessions.

`wishes.py` reads what a client wants, `events.py` writes what it is told, `conversation.py` is one
connection. The route is `routes/realtime.py`; recognition is `seacod.asr.live`.
"""
