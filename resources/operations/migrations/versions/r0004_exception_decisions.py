"""What persons decided on exceptions: ignored with a reason, or taken up again."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add their table; rows of it are only added."""
    op.create_table(
        "exception_decisions",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("subject", sa.String(), nullable=False, comment="what it is about, our own key"),
        sa.Column("exception_id", sa.String(), nullable=False, comment="as lists show it"),
        sa.Column("kind", sa.String(), nullable=False, comment="assets.exceptions.kinds"),
        sa.Column(
            "content_hash", sa.String(), nullable=False, comment="of what was wrong at that moment"
        ),
        sa.Column("action", sa.String(), nullable=False, comment="ignore | reopen"),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("decided_at", _TIME, nullable=False, comment="real time"),
        sa.PrimaryKeyConstraint("id", name="pk_exception_decisions"),
    )
    op.create_index("ix_exception_decisions_subject", "exception_decisions", ["subject"])
    op.create_index("ix_exception_decisions_exception_id", "exception_decisions", ["exception_id"])


def downgrade() -> None:
    """Take it away."""
    op.drop_table("exception_decisions")
