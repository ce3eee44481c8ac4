"""Which articles exist on which side, where they lie and how many, at the start of a run.

Belongs here: the opening stock, made from the seed, and the SKUs that one side alone knows.
Articles that are ordered belong to `catalogue`.
"""

import random
from dataclasses import dataclass

from otto_pipelines.sandbox import catalogue
from otto_pipelines.sandbox.config import SandboxConfig

MAIN, ANNEX = "DRESDEN", "LEIPZIG"
_ITEMS_PER_ORDER = 1.7
# Of a long assortment most articles move slowly: few units of many, many of a few.
_QUANTITIES = (0, 1, 2, 3, 5, 8, 12, 20, 40, 90, 250)
_QUANTITY_WEIGHTS = (6, 5, 6, 7, 10, 14, 16, 14, 12, 7, 3)


@dataclass(frozen=True, slots=True)
class Opening:
    """An article's stock at the start; below `reorder_point` free units, `lot` units come in."""

    sku: str
    quantities: dict[str, int]
    reorder_point: int
    lot: int


@dataclass(frozen=True, slots=True)
class Assortment:
    """SKUs by who knows them. A collision is (SKU at OTTO, second spelling in the warehouse)."""

    at_otto: frozenset[str]
    orphans: tuple[str, ...]
    unknown_to_otto: tuple[str, ...]
    collisions: tuple[tuple[str, str], ...]
    openings: tuple[Opening, ...]


def make_assortment(config: SandboxConfig) -> Assortment:
    """The assortment of a run; equal settings make equal ones."""
    rng = random.Random(f"stock:{config.seed}")
    ordered = [product.sku for product in catalogue.PRODUCTS]
    further = [catalogue.further_sku(n) for n in range(len(ordered) + 1, config.skus + 1)]
    unknown = [f"Nur-Lager-{n:03d}" for n in range(1, config.unknown_skus + 1)]
    orphans = [f"Auslauf-{n:03d}" for n in range(1, config.orphan_skus + 1)]
    known = ordered + further
    twice = known[len(known) - min(config.colliding_skus, len(known)) :]
    collisions = [(sku, sku.upper()) for sku in twice]
    slow = [*further, *unknown, *(second for _, second in collisions)]
    amounts = rng.choices(_QUANTITIES, _QUANTITY_WEIGHTS, k=len(slow))
    return Assortment(
        at_otto=frozenset(known + orphans),
        orphans=tuple(orphans),
        unknown_to_otto=tuple(unknown),
        collisions=tuple(collisions),
        openings=(
            *_ordered_openings(config, ordered, rng),
            *(Opening(sku, {MAIN: n}, 0, 10) for sku, n in zip(slow, amounts, strict=True)),
        ),
    )


def _ordered_openings(config: SandboxConfig, skus: list[str], rng: random.Random) -> list[Opening]:
    """Enough for the run, in two locations for some; a handful where articles are scarce."""
    wanted = config.orders * _ITEMS_PER_ORDER / len(skus)
    scarce = set(rng.sample(skus, round(config.scarce_share * len(skus))))
    openings = []
    for sku in skus:
        if sku in scarce:
            openings.append(Opening(sku, {MAIN: rng.randint(0, 6)}, 1, rng.randint(2, 8)))
            continue
        total = 30 + int(wanted * rng.uniform(1.5, 3))
        apart = rng.randint(5, 15) if rng.random() < 0.25 else 0
        quantities = {MAIN: total - apart} | ({ANNEX: apart} if apart else {})
        openings.append(Opening(sku, quantities, 10, total))
    return openings
