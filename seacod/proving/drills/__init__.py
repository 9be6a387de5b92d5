"""Safe fault drills on a staging service, for `seacod drill`: what operators fear is done on
purpose, under load, and what it cost is told.

`catalogue.py` has the drills and what each does; `target.py` is the service, `timing.py` the clock
of a drill, `load.py` the clients. Each drill undoes what it did, whatever happens in between.
"""
