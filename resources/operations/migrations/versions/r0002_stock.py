"""Stock: levels of the warehouse, figures for OTTO, and since when a unit counts as reserved."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables of stock."""
    _reservations()
    _shorts()
    _levels()
    _figures()


def downgrade() -> None:
    """Take them away."""
    op.drop_table("availability")
    op.drop_table("stock_levels")
    op.drop_index("ix_wms_order_lines_short_at", "wms_order_lines")
    op.drop_column("wms_order_lines", "short_at")
    op.drop_index("ix_wms_order_lines_reserved_at", "wms_order_lines")
    op.drop_column("wms_order_lines", "reserved_at")


def _reservations() -> None:
    op.add_column(
        "wms_order_lines",
        sa.Column(
            "reserved_at",
            _TIME,
            nullable=True,
            comment="from when, at the latest, the WMS counts the unit as promised, by its clock",
        ),
    )
    op.create_index("ix_wms_order_lines_reserved_at", "wms_order_lines", ["reserved_at"])
    # When a line was last written it was reserved already; a time too late is on the safe side.
    op.execute(
        "UPDATE wms_order_lines SET reserved_at = recorded_at "
        "WHERE state NOT IN ('NEW', 'CANCELLED')"
    )


def _shorts() -> None:
    op.add_column(
        "wms_order_lines",
        sa.Column(
            "short_at",
            _TIME,
            nullable=True,
            comment="when the WMS last found the unit missing, by its clock",
        ),
    )
    op.create_index("ix_wms_order_lines_short_at", "wms_order_lines", ["short_at"])
    op.execute("UPDATE wms_order_lines SET short_at = recorded_at WHERE state = 'SHORT'")


def _levels() -> None:
    op.create_table(
        "stock_levels",
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("location", sa.String(), nullable=False),
        sa.Column("on_hand", sa.BigInteger(), nullable=False),
        sa.Column("reserved", sa.BigInteger(), nullable=False),
        sa.Column("blocked", sa.BigInteger(), nullable=False),
        sa.Column(
            "sellable",
            sa.BigInteger(),
            nullable=True,
            comment="the WMS's own figure, if it has one",
        ),
        sa.Column("as_of", _TIME, nullable=False, comment="when this was true, by the WMS's clock"),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("sku", "location", name="pk_stock_levels"),
    )
    op.create_index("ix_stock_levels_recorded_at", "stock_levels", ["recorded_at"])


def _figures() -> None:
    op.create_table(
        "availability",
        sa.Column("sku", sa.String(), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=False),
        sa.Column(
            "sequence",
            sa.BigInteger(),
            nullable=False,
            comment="grows whenever the quantity changes",
        ),
        sa.Column("terms", sa.Text(), nullable=False, comment="JSON; every term of the figure"),
        sa.Column(
            "computed_at",
            _TIME,
            nullable=False,
            comment="when figure, terms or frozen_reason last changed",
        ),
        sa.Column(
            "frozen_reason",
            sa.Text(),
            nullable=True,
            comment="why the figure is not what its terms say",
        ),
        sa.Column(
            "otto_open",
            sa.BigInteger(),
            nullable=False,
            comment="that term: units sold that the WMS does not count",
        ),
        sa.Column(
            "owed_since",
            _TIME,
            nullable=True,
            comment="since when OTTO lacks the newest quantity",
        ),
        sa.Column("lane", sa.Integer(), nullable=False, comment="0 urgent | 1 moving | 2 the rest"),
        sa.Column(
            "rank", sa.BigInteger(), nullable=False, comment="within the lane, smaller goes first"
        ),
        sa.Column("pending", sa.Boolean(), nullable=False, comment="there is something to send"),
        sa.Column("next_attempt_at", _TIME, nullable=True, comment="null: at once"),
        sa.Column(
            "lease_token",
            sa.String(),
            nullable=True,
            comment="of the sender that has it under way",
        ),
        sa.Column("lease_until", _TIME, nullable=True),
        sa.Column(
            "doubt_until",
            _TIME,
            nullable=True,
            comment="an older request may still arrive so long",
        ),
        sa.Column("sent_quantity", sa.BigInteger(), nullable=True),
        sa.Column("sent_sequence", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", _TIME, nullable=True),
        sa.Column("accepted_quantity", sa.BigInteger(), nullable=True, comment="what OTTO shows"),
        sa.Column("accepted_sequence", sa.BigInteger(), nullable=True),
        sa.Column("accepted_at", _TIME, nullable=True),
        sa.Column(
            "refused_reason",
            sa.Text(),
            nullable=True,
            comment="why OTTO took the last one not",
        ),
        sa.Column("refused_at", _TIME, nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column(
            "seen_quantity",
            sa.BigInteger(),
            nullable=True,
            comment="what OTTO showed when last read back",
        ),
        sa.Column("seen_at", _TIME, nullable=True, comment="when that was"),
        sa.Column("recorded_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("sku", name="pk_availability"),
    )
    op.create_index("ix_availability_queue", "availability", ["pending", "lane", "rank", "sku"])
    op.create_index("ix_availability_recorded_at", "availability", ["recorded_at"])
