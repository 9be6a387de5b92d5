"""Who speaks: voices of a recording told apart, so that each sentence and word has a speaker.

`speakers.py` is the one entrance. Windows of speech become embeddings (`encoders/`), those are put
into groups (`clustering.py`), and words and sentences get the group they lie in (`attribution.py`).
Of a recording only embeddings are kept, never its sound.
"""
