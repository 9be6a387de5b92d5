"""The tabs of the page, one file each: a module with a `TAB` is a tab (`registry.py` finds them).

A skeleton is HTML in both languages. What moves in it is done by a script in `static/`, which finds
its places by id. Texts in attributes come from the scripts, too: `data-label` names the text for
screen readers and the mouse, `data-title` one for the mouse alone, `data-placeholder` the one in an
empty field.
"""
