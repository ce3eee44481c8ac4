"""Freshness policies of all source assets, made from the operating model.

Belongs here: giving each source asset the window in which it must be materialised again. Which
assets are sources stands in `assets.source_freshness`.
"""

from collections.abc import Sequence

import dagster as dg

from assets.source_freshness import SOURCES
from resources.freshness_policy import FreshnessPolicy


def with_freshness(
    assets: Sequence[dg.AssetsDefinition], policy: FreshnessPolicy
) -> list[dg.AssetsDefinition]:
    """The same assets; sources warn after half of the time that they may be old."""
    windows = {dg.AssetKey(source.asset): source.may_be(policy) for source in SOURCES}

    def fresh(spec: dg.AssetSpec) -> dg.AssetSpec:
        window = windows.get(spec.key)
        if window is None:
            return spec
        limits = dg.FreshnessPolicy.time_window(fail_window=window, warn_window=window / 2)
        limited: dg.AssetSpec = dg.apply_freshness_policy(spec, limits)
        return limited

    return [definition.map_asset_specs(fresh) for definition in assets]
