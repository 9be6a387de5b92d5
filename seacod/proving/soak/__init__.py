"""`seacod soak`: days of mixed work in miniature, against a running service, and a report.

`timetable.py` says which mix is on when, `mixes.py` who does what in it, `work.py` how one piece of
work is done and checked, `watching.py` what is looked at meanwhile, `ledger.py` what is written
down; `figures.py` makes sums of that, `report.py` and `chart.py` a page, `run.py` is the run.
"""
