"""FunASR's WebSocket protocol, so that clients written for its runtime work unchanged.

`messages.py` is what clients say, `answers.py` and `stamps.py` what they are told, `growing.py` a
first text that is only ever added to, `spool.py` a recording on its way to the disk,
`connection.py` the conversation, `crowd.py` how many there may be. The route is
`seacod.web.routes.funasr_protocol`. Not here: recognition, and sound.
"""
