"""Partitions shared by the source assets: one per calendar day of the warehouse's zone.

Days of 23 and 25 hours exist, so filters use a partition's window and never add 24 hours.
"""

import dagster as dg

FIRST_DAY = "2026-01-01"

# end_offset=1: today has a partition before it is over.
order_days = dg.DailyPartitionsDefinition(
    start_date=FIRST_DAY, timezone="Europe/Berlin", end_offset=1
)
