"""The go-live checklist of `seacod check`: each item looks, judges, and says what to do.

`item.py` is what an item says, `context.py` what items look at; the items are in `items/`, and
`registry.py` finds them and has their order. Nothing here changes anything.
"""
