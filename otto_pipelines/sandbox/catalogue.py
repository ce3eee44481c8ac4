"""What the invented shop sells and who buys there. Names are drawn at random: nobody is meant."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Product:
    """One article of the assortment. Prices are gross, in cents."""

    sku: str
    title: str
    article_number: str
    ean: str
    price_cents: int
    vat_rate: int
    colour: str


_COLOURS = ("schwarz", "weiß", "grün", "blau", "natur")
_GOODS = (
    ("Küchenwaage-digital", "Digitale Küchenwaage", 1999, 19),
    ("Bettwäsche-135x200", "Bettwäsche Baumwolle 135x200", 3995, 19),
    ("Gartenstuhl-klapp", "Klappstuhl für den Garten", 5490, 19),
    ("LED-Stehleuchte-3s", "LED-Stehleuchte dreistufig", 8999, 19),
    ("Müllbeutel-60L-50er", "Müllbeutel 60 Liter, 50 Stück", 749, 19),
    ("Kühlbox-24L", "Kühlbox 24 Liter", 4499, 19),
    ("Kaffeemaschine-CM1000", "Filterkaffeemaschine CM1000", 6495, 19),
    ("Wanduhr-Ø30", "Wanduhr 30 cm", 2449, 19),
    ("Schuhregal-4F", "Schuhregal mit vier Fächern", 3333, 19),
    ("Kissenhülle-40x40", "Kissenhülle 40x40", 1295, 19),
    ("Bilderbuch-Waldtiere", "Bilderbuch Tiere des Waldes", 1499, 7),
    ("Blumenzwiebeln-Mix-30", "Blumenzwiebeln gemischt, 30 Stück", 1690, 7),
)


def _ean(number: int) -> str:
    payload = f"40{number:010d}"
    total = sum(int(digit) * (1, 3)[place % 2] for place, digit in enumerate(payload))
    return payload + str(-total % 10)


PRODUCTS = tuple(
    Product(
        sku=f"{stem}-{colour}",
        title=f"{title}, {colour}",
        article_number=f"{stem[:2].upper()}{place * 10 + shade:06d}",
        ean=_ean(place * 10 + shade + 4711),
        price_cents=price + shade * 100,
        vat_rate=vat,
        colour=colour,
    )
    for place, (stem, title, price, vat) in enumerate(_GOODS)
    for shade, colour in enumerate(_COLOURS)
)
_BY_SKU = {product.sku: product for product in PRODUCTS}


def further_sku(number: int) -> str:
    """The SKU of an article beyond `PRODUCTS`; it is in stock, and ordered by nobody unasked."""
    return f"Artikel-{number:06d}"


def product(sku: str) -> Product:
    """The article with that SKU; any SKU names one."""
    return _BY_SKU.get(sku) or Product(sku, sku, "XX000000", _ean(99), 1999, 19, "natur")


FIRST_NAMES = ("Jürgen", "Anke", "Björn", "Käthe", "Ömer", "Sabine", "Lukas", "Zoë", "Horst", "Mia")
LAST_NAMES = ("Müller", "Groß", "Schröder", "Özdemir", "Weiß", "Lange", "Krüger", "Nowak", "Böhm")
STREETS = (
    "Hauptstraße",
    "Gartenweg",
    "Am Mühlbach",
    "Königsallee",
    "Lindenstr.",
    "Straße der Einheit",
)
PLACES = (
    ("01067", "Dresden"),
    ("10115", "Berlin"),
    ("20095", "Hamburg"),
    ("80331", "München"),
    ("50667", "Köln"),
    ("04109", "Leipzig"),
    ("70173", "Stuttgart"),
    ("99084", "Erfurt"),
    ("37073", "Göttingen"),
)
PAYMENTS = ("INVOICE_SINGLE", "INVOICE_INSTALLMENTS", "DIRECT_DEBIT", "PAYPAL", "CREDIT_CARD")
CAMPAIGNS = ("Sommerrabatt", "Neukundenrabatt", "Aktion 3 für 2")
