"""What Alembic runs to take the steps: on the connection that `schema.py` gives it."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
