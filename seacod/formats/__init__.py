"""The formats a transcript is written in, one file each: a module with a `FORMAT` is a format, and
API, page, command line, batches and archives offer it (`registry.py` finds them).

Imports neither torch nor anything of a service, so that every side can write transcripts.
"""
