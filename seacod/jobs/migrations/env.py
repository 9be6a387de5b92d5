"""What Alembic runs to take the steps: on the connection that `schema.py` gives it."""

from __future__ import annotations

from alembic import context

from seacod.jobs.schema import VERSIONS

context.configure(connection=context.config.attributes["connection"], version_table=VERSIONS)
context.run_migrations()
