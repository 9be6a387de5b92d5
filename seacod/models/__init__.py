"""Where models are: the built-in one is here, others are fetched into the state directory.

`registry` turns names into directories; `fetch` brings what is missing. No inference here.
"""
