"""Made conversations with true labels, and how well speakers are told apart in them. Entry:
tools/measure_speakers.py. Nothing of this is needed to run seacod.
"""
