"""A watched folder: what is laid there is heard once, its texts lie beside it (`seacod watch`).

`folder.py` knows what is complete, `ledger.py` what was heard, `verdict.py` what an error means for
a recording, `texts.py` writes, `watch.py` is the loop. A client of the service like any other:
nothing of either side is imported.
"""
