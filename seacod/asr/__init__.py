"""From an uploaded file to text: decode, admit, schedule, recognise. Worker's side only.

Nothing here knows about HTTP or pages; `recognisers/` is the only place that imports funasr.
"""
