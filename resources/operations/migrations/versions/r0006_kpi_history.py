"""Key figures as they were, for charts."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add their table."""
    op.create_table(
        "kpi_history",
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False, comment="business time"),
        sa.Column(
            "figures",
            sa.Text(),
            nullable=False,
            comment="JSON object: name to number, null where there was none",
        ),
        sa.PrimaryKeyConstraint("taken_at", name="pk_kpi_history"),
    )


def downgrade() -> None:
    """Take it away."""
    op.drop_table("kpi_history")
