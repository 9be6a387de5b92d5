"""The models that can hear speech, one file a class: a module with a `RECOGNISER` is one
(`registry.py` finds it). The only place that imports funasr.
"""
