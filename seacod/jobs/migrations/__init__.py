"""Steps from the tables of each older version to those of the next, which Alembic takes in the
transaction of `schema.py`; one file each in `versions/`.

A step that only adds (tables, columns with a default) is the next number of its format, 1_0002:
nodes of the version before go on beside it, and after a rollback. Whatever they could not use
begins a new format, 2_0001, and is for a fleet that was stopped. `database.HEAD` names the last.
"""
