"""The go-live checklist of `seacod check`: each item looks, judges, and says how to mend it.

`item.py` is what an item says, `context.py` what items look at; the items lie in `serving.py`,
`recognising.py`, `machine.py` and `keeping.py`, and `registry.py` has their order. Nothing here
changes anything.
"""
