"""The networks that turn a stretch of speech into a vector that is alike for the same voice, one
file each (registry): what it is called, where its weights come from, and the network.

The settings are made of their names, so nothing heavy is imported before one is loaded. Who fetches
them is `seacod/models/speakers.py`, who asks them `seacod/asr/speakers/`.
"""
