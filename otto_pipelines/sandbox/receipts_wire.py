"""How the simulated OTTO writes receipts: as JSON, and as a small PDF.

Belongs here: field names, grouping of equal units, VAT lines. State belongs to `receipts`. As in
`otto_wire`, every sixteenth order's amounts are text, with a field that no contract names.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from otto_pipelines.sandbox.billing import COMPLAINT
from otto_pipelines.sandbox.model import Item, SalesOrder
from otto_pipelines.sandbox.otto_wire import amount_json, orders_time, zulu_time
from otto_pipelines.sandbox.pricing import net_of
from otto_pipelines.sandbox.receipts import Modification, Receipt, ReceiptType, Unit

_PARTNER = {
    "partnerName": "Musterhandel GmbH",
    "street": "Lagerweg",
    "zipCode": "01067",
    "city": "Dresden",
    "countryCode": "DEU",
    "vatId": "DE000000000",
    "representedBy": "Erika Muster",
}
_INSTALMENTS = {"INVOICE_INSTALLMENTS": 3}


class _Writer:
    """Writes the amounts of one receipt, as numbers or as text."""

    def __init__(self, *, as_text: bool) -> None:
        self.as_text = as_text

    def amount(self, cents: int) -> dict[str, Any]:
        return amount_json(cents, as_text=self.as_text)

    def price(self, cents: int, vat_rate: int) -> dict[str, Any]:
        net = net_of(cents, vat_rate)
        return {
            "taxType": "VAT",
            "taxRate": f"{vat_rate}.0",
            "gross": self.amount(cents),
            "net": self.amount(net),
            "tax": self.amount(cents - net),
        }


def receipt_json(receipt: Receipt) -> dict[str, Any]:
    """The receipt in OTTO's words."""
    order = receipt.order
    write = _Writer(as_text=order.order_id.endswith("0"))
    body: dict[str, Any] = {
        "receiptType": receipt.type,
        "isRealReceipt": True,
        "isDeemedSupplierModel": False,
        "receiptNumber": receipt.number,
        "creationDate": zulu_time(receipt.created_at),
        "salesOrderId": order.order_id,
        "orderNumber": order.number,
        "orderDate": orders_time(order.ordered_at),
        "payment": {
            "paymentProvider": "OTTOPAYMENTS",
            "paymentMethod": order.payment,
            "installmentCount": _INSTALMENTS.get(order.payment, 0),
            "paymentBreak": False,
        },
        "partner": _PARTNER,
        "customer": {"invoiceAddress": _address(order)},
        "lineItems": _line_items(receipt, write),
        "totals": _totals(receipt, write),
        "amountDue": write.amount(_due(receipt)),
    }
    if receipt.shipment is not None:
        body |= _of_purchase(receipt, write)
    if receipt.type is ReceiptType.REFUND:
        body["refundType"] = "RETURN"
    if receipt.type is ReceiptType.PARTIAL_REFUND:
        body["partialRefundType"] = COMPLAINT
    if receipt.linked is not None:
        body["linkedReceiptNumber"] = receipt.linked.number
        body["linkedCreationDate"] = zulu_time(receipt.linked.created_at)
    if write.as_text:
        body["documentHint"] = {"template": "B2C", "revision": "4"}
    return body


def _of_purchase(receipt: Receipt, write: _Writer) -> dict[str, Any]:
    shipment = receipt.shipment
    address = shipment.ship_from if shipment else {}
    body: dict[str, Any] = {
        "fulfillmentDate": zulu_time(receipt.created_at),
        "shipmentDate": shipment.ship_date if shipment else None,
        "shipment": {
            "shipFromAddress": {name: address.get(name) for name in ("zipCode", "countryCode")}
        },
        "deliveryAddress": _address(receipt.order),
        "totalsGrossAmount": write.amount(receipt.gross_cents),
    }
    if receipt.voucher_cents:
        body["totalsReductions"] = [
            {
                "type": "VOUCHER",
                "gross": write.amount(receipt.voucher_cents),
                "details": {"voucherCode": f"****{receipt.serial % 10_000:04d}"},
            }
        ]
    return body


def _due(receipt: Receipt) -> int:
    prepaid = receipt.type is ReceiptType.PURCHASE and receipt.order.payment == "PREPAYMENT"
    return 0 if prepaid else receipt.gross_cents - receipt.voucher_cents


def _address(order: SalesOrder) -> dict[str, Any]:
    left_out = {"salutation", "phoneNumber", "email"}
    return {key: value for key, value in order.address.items() if key not in left_out}


def _fee_rate(receipt: Receipt) -> int:
    return max(item.product.vat_rate for item in receipt.order.items)


def _line_items(receipt: Receipt, write: _Writer) -> dict[str, Any]:
    partial = receipt.type is ReceiptType.PARTIAL_REFUND
    lines: dict[str, list[dict[str, Any]]] = {
        "itemPositions": [] if partial else _positions(receipt, write),
        "itemPartialRefundPositions": [_partial(unit, write) for unit in receipt.units]
        if partial
        else [],
        "servicePositions": [],
        "servicePartialRefundPositions": [],
        "deliveryCosts": [],
        "deliveryFeePartialRefundPositions": [],
    }
    rate = _fee_rate(receipt)
    for fee in receipt.fees:
        price = write.price(fee, rate)
        lines["deliveryCosts"].append(
            {
                "deliveryCostType": "DELIVERY_FEE_STANDARD",
                "unitPrice": price,
                "positionSum": price,
                "priceModifications": [],
            }
        )
    for service in receipt.services:
        price = write.price(service.cents, rate)
        lines["servicePositions"].append(
            {
                "serviceType": service.name,
                "serviceName": "Altgeräte-Mitnahme",
                "servicePositionItemIds": [f"service-{service.item_id}"],
                "quantity": 1,
                "unitPrice": price,
                "positionSum": price,
                "priceModifications": [],
            }
        )
    numbered = (line for group in lines.values() for line in group)
    for number, line in enumerate(numbered, start=1):
        line["lineNumber"] = number
    return dict(lines)


def _article(item: Item) -> dict[str, Any]:
    return {
        "sku": item.product.sku,
        "articleNumber": item.product.article_number,
        "productTitle": item.product.title,
    }


def _partial(unit: Unit, write: _Writer) -> dict[str, Any]:
    return _article(unit.item) | {
        "positionItemIds": [unit.item.item_id],
        "partialRefundAmount": write.price(unit.amount_cents, unit.item.product.vat_rate),
        "partialRefundDetails": {},
    }


def _positions(receipt: Receipt, write: _Writer) -> list[dict[str, Any]]:
    """One line per group of equal units.

    On a PURCHASE, shares of discounts may differ by a cent within a line, and each unit's price to
    pay is named. A REFUND names none, so only units of one amount share a line there.
    """
    purchase = receipt.type is ReceiptType.PURCHASE
    groups: defaultdict[tuple[Any, ...], list[Unit]] = defaultdict(list)
    for unit in receipt.units:
        kinds = tuple((part.kind, part.discount_id, part.linked) for part in unit.modifications)
        amounts = () if purchase else tuple(part.cents for part in unit.modifications)
        groups[unit.item.product.sku, unit.unit_cents, kinds, amounts].append(unit)
    return [_position(units, write, purchase=purchase) for units in groups.values()]


def _position(units: Sequence[Unit], write: _Writer, *, purchase: bool) -> dict[str, Any]:
    rate = units[0].item.product.vat_rate
    line = _article(units[0].item) | {
        "positionItemIds": [unit.item.item_id for unit in units],
        "quantity": len(units),
        "unitPrice": write.price(units[0].unit_cents, rate),
        "positionSum": write.price(sum(unit.amount_cents for unit in units), rate),
        "priceModifications": [
            _modification(parts, write, rate)
            for parts in zip(*(unit.modifications for unit in units), strict=True)
        ],
    }
    if purchase:
        by_amount: defaultdict[int, list[str]] = defaultdict(list)
        for unit in units:
            by_amount[unit.amount_cents].append(unit.item.item_id)
        line["priceToPayPerPositionItems"] = [
            {"positionItemIds": ids, "priceToPay": write.price(cents, rate)}
            for cents, ids in by_amount.items()
        ]
    return line


def _modification(parts: Sequence[Modification], write: _Writer, rate: int) -> dict[str, Any]:
    """The same reduction of several units, as the sum for the line."""
    one = parts[0]
    details = {
        "description": one.description,
        "type": one.discount_type,
        "id": one.discount_id,
        "linkedReceiptNumber": one.linked,
    }
    return {
        "priceModificationType": one.kind,
        "details": {name: value for name, value in details.items() if value is not None},
        "priceModificationAmount": write.price(sum(part.cents for part in parts), rate),
    }


def _totals(receipt: Receipt, write: _Writer) -> list[dict[str, Any]]:
    by_rate: defaultdict[int, int] = defaultdict(int)
    for unit in receipt.units:
        by_rate[unit.item.product.vat_rate] += unit.amount_cents
    extra = sum(receipt.fees) + sum(service.cents for service in receipt.services)
    if extra:
        by_rate[_fee_rate(receipt)] += extra
    return [write.price(cents, rate) for rate, cents in sorted(by_rate.items())]


def receipt_pdf(receipt: Receipt) -> bytes:
    """One page with the number and the total."""
    euros, cents = divmod(receipt.gross_cents, 100)
    text = (
        f"BT /F1 14 Tf 72 770 Td ({receipt.type} {receipt.number}: {euros}.{cents:02d} EUR) Tj ET"
    )
    objects = (
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    )
    document, places = "%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(document))
        document += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    count = len(objects) + 1
    document += (
        f"xref\n0 {count}\n0000000000 65535 f \n{table}"
        f"trailer\n<< /Size {count} /Root 1 0 R >>\nstartxref\n{len(document)}\n%%EOF\n"
    )
    return document.encode("latin-1")
