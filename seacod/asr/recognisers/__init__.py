"""The models that can hear speech, one file a class, and the only place that imports funasr."""
