"""A recording's sound as it lies in its file: which track, at which time, from which channel, and
what of it is missing.

Runs in the decoding processes behind `asr/audio.py`, one file a subject. Nothing here knows of
requests, and nothing decides what is an error of the client's: what is odd becomes a finding.
"""
