"""Recordings that lie outside the database: a column and two tables. The version before goes on,
and claims none of these files (`address_book.py` says why)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1_0002"
down_revision = "1_0001"

_FALSE = sa.text("false")


def upgrade() -> None:
    connection = op.get_bind()
    there = sa.inspect(connection)
    if "place" not in {column["name"] for column in there.get_columns("files")}:
        op.add_column(
            "files", sa.Column("place", sa.Text, nullable=False, server_default=sa.text("''"))
        )
    # An embedded database has its recordings beside it.
    if connection.dialect.name == "sqlite" or there.has_table("outside_recordings"):
        return
    op.create_table(
        "recording_places",
        sa.Column("root", sa.Text, primary_key=True),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("is_marked", sa.Boolean, nullable=False, server_default=_FALSE),
    )
    op.create_table(
        "outside_recordings",
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("kept", sa.Float(53), nullable=False),
        sa.Column("is_doomed", sa.Boolean, nullable=False, server_default=_FALSE),
    )
    op.create_index("outside_by_job", "outside_recordings", ["job"])
    op.create_index(
        "outside_doomed", "outside_recordings", ["address"],
        postgresql_where=sa.text("is_doomed"),
    )  # fmt: skip


def downgrade() -> None:
    """Nothing: the version before goes on with what was added."""
