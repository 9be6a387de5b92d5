"""Archives: `seacod transcribe --ray`. The engine of the worker as Ray actors, one for each GPU or
core, on one machine or many.

`cluster.py` finds the cluster, `inputs.py` says what there is to do, `ledger.py` what is done,
`actor.py` is the actor, `pool.py` feeds them, `progress.py` counts, `command.py` puts them
together. None of it runs in the service.
"""
