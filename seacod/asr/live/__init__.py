"""Microphones: sound comes as it is made, text goes back while somebody speaks.

`sessions.py` opens sessions and bounds them, `session.py` is one of them, `microphone.py` its sound
on the thread `seacod-live`. Not here: the WebSocket (`seacod.web.routes.live`) and the model.
"""
