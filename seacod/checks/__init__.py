"""The go-live checklist of `seacod check`: each item looks, judges, and says how to mend it.

`item.py` is what an item says, `look.py` what items look at; the items lie in `serving.py`,
`recognising.py`, `machine.py` and `keeping.py`, and `everything.py` has their order. Nothing here
changes anything.
"""
