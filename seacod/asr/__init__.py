"""From an uploaded file to text: decode, admit, schedule, recognise. Worker's side only.

Nothing here knows about HTTP or pages; `engine.py` is the only file that imports funasr.
"""
