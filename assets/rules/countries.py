"""Country codes: OTTO writes ISO 3166-1 with three letters, warehouses take two.

Belongs here: the table. It holds the countries of Europe; another one is refused by name, because
cutting a code short names a wrong country (EST is Estonia, ES is Spain).
"""

_PAIRS = """
    ALB AL  AND AD  AUT AT  BEL BE  BGR BG  BIH BA  BLR BY  CHE CH  CYP CY  CZE CZ  DEU DE  DNK DK
    ESP ES  EST EE  FIN FI  FRA FR  FRO FO  GBR GB  GGY GG  GIB GI  GRC GR  HRV HR  HUN HU  IMN IM
    IRL IE  ISL IS  ITA IT  JEY JE  LIE LI  LTU LT  LUX LU  LVA LV  MCO MC  MDA MD  MKD MK  MLT MT
    MNE ME  NLD NL  NOR NO  POL PL  PRT PT  ROU RO  SMR SM  SRB RS  SVK SK  SVN SI  SWE SE  TUR TR
    UKR UA  VAT VA
"""
_CODES = _PAIRS.split()

ALPHA_2: dict[str, str] = dict(zip(_CODES[::2], _CODES[1::2], strict=True))
"""Three letters to two."""
