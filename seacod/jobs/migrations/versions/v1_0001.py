"""From what there was before Alembic, 0.1.0 and what followed it: what is missing is added."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "1_0001"
down_revision = None

_EMPTY = sa.text("''")
_COLUMNS = {
    "jobs": (
        sa.Column("speakers", sa.Text, nullable=False, server_default=_EMPTY),
        sa.Column("track", sa.Text, nullable=False, server_default=_EMPTY),
        sa.Column("channels", sa.Text, nullable=False, server_default=_EMPTY),
        sa.Column("choices", sa.Text, nullable=False, server_default=sa.text("'{}'")),
        sa.Column("callback_url", sa.Text, nullable=False, server_default=_EMPTY),
    ),
    "files": (sa.Column("warnings", sa.Text, nullable=False, server_default=sa.text("'[]'")),),
}


def upgrade() -> None:
    there = sa.inspect(op.get_bind())
    for table, columns in _COLUMNS.items():
        present = {column["name"] for column in there.get_columns(table)}
        for column in columns:
            if column.name not in present:
                op.add_column(table, column)
    if not there.has_table("submissions"):
        op.create_table(
            "submissions",
            sa.Column("client", sa.Text, primary_key=True),
            sa.Column("key", sa.Text, primary_key=True),
            sa.Column("job", sa.Text, sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
            sa.Column("digest", sa.Text, nullable=False),
        )
        op.create_index("submissions_by_job", "submissions", ["job"])
    if not there.has_table("callbacks"):
        op.create_table(
            "callbacks",
            sa.Column("id", sa.Text, primary_key=True),
            sa.Column("job", sa.Text, sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
            sa.Column("url", sa.Text, nullable=False),
            sa.Column("host", sa.Text, nullable=False),
            sa.Column("body", sa.Text, nullable=False),
            sa.Column("made", sa.Float(53), nullable=False),
            sa.Column("due", sa.Float(53), nullable=False),
            sa.Column("state", sa.Text, nullable=False, server_default=sa.text("'waiting'")),
            sa.Column("attempts", sa.Integer, nullable=False, server_default=sa.text("0")),
            sa.Column("ended", sa.Float(53)),
            sa.Column("answer", sa.Text, nullable=False, server_default=_EMPTY),
        )
        op.create_index("callbacks_by_state", "callbacks", ["state", "due"])
        op.create_index("callbacks_by_job", "callbacks", ["job"])


def downgrade() -> None:
    """Nothing: the version before goes on with what was added."""
