"""The tabs of the page, one file each: `html(service)` is its skeleton, in both languages.

What moves in it is done by the script of the same name in `static/`, which finds its places by id.
Texts in attributes come from the scripts, too: `data-label` names the text for screen readers and
the mouse, `data-placeholder` the one in an empty field.
"""
