"""Judge requests by OTTO's condensed contract (`otto.json`).

Belongs here: what is wrong with one request. Serving answers does not (`tests/resources/otto`), and
nothing of the product is imported: this is its independent judge.
"""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

CONTRACT: dict[str, Any] = json.loads(Path(__file__).with_name("otto.json").read_text("utf-8"))
_TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, Decimal)}


def operation_of(method: str, path: str) -> dict[str, Any] | None:
    for operation in CONTRACT["operations"]:
        pattern = re.sub(r"\{\w+\}", "[^/]+", operation["path"])
        if operation["method"] == method and re.fullmatch(pattern, path):
            return operation
    return None


def violations(method: str, target: str, headers: dict[str, str], body: bytes) -> list[str]:
    """Everything that is wrong with a request; `headers` have lower-case names."""
    split = urlsplit(target)
    operation = operation_of(method, split.path)
    if operation is None:
        return [f"{method} {split.path} is no operation"]
    found = _query(operation.get("query", {}), parse_qsl(split.query, keep_blank_values=True))
    found += _authorisation(operation, headers)
    if "form" in operation:
        found += _form(operation, headers, body)
    elif "body" in operation:
        if headers.get("content-type", "").split(";")[0] != "application/json":
            found.append("content type is not application/json")
        try:
            content = json.loads(body, parse_float=Decimal)
            found += _value(f"#{operation['body']}", content, "$")
        except ValueError:
            found.append("body is no JSON")
    elif body:
        found.append("there must be no body")
    return found


def _query(allowed: dict[str, Any], pairs: list[tuple[str, str]]) -> list[str]:
    found = []
    names = [name for name, _ in pairs]
    for name, value in pairs:
        rule = allowed.get(name)
        if rule is None:
            found.append(f"query parameter {name} is unknown")
            continue
        if names.count(name) > 1 and not rule.get("many"):
            found.append(f"query parameter {name} is repeated")
        if "maximum" in rule:
            if not value.isdecimal() or not rule["minimum"] <= int(value) <= rule["maximum"]:
                found.append(f"query parameter {name} is out of range")
        elif _text(rule, value):
            found.append(f"query parameter {name}: {_text(rule, value)}")
        others = set(names) - {name, *rule.get("alone_with", names)}
        if others:
            found.append(f"query parameter {name} must stand without {sorted(others)}")
    return found + [
        f"query parameter {name} is missing"
        for name, rule in allowed.items()
        if rule.get("required") and name not in names
    ]


def _authorisation(operation: dict[str, Any], headers: dict[str, str]) -> list[str]:
    given = headers.get("authorization", "")
    if operation.get("auth") == "client":
        return []
    return [] if re.fullmatch(r"Bearer [\w.-]+", given) else ["bearer token is missing"]


def _form(operation: dict[str, Any], headers: dict[str, str], body: bytes) -> list[str]:
    form = dict(parse_qsl(body.decode()))
    found = [f"form field {name} is missing" for name in operation["form"] if name not in form]
    if headers.get("content-type") != "application/x-www-form-urlencoded":
        found.append("content type is no form")
    if form.get("grant_type") != "client_credentials":
        found.append("grant type is not client_credentials")
    basic = headers.get("authorization", "").startswith("Basic ")
    if basic == ("client_secret" in form):
        found.append("credentials must come once, by form or by header")
    return found


def _value(rule: Any, value: object, at: str) -> list[str]:
    if isinstance(rule, str):
        rule = CONTRACT["bodies"][rule.removeprefix("#")]
    if not isinstance(value, _TYPES[rule["type"]]):
        return [f"{at} is no {rule['type']}"]
    if isinstance(value, str):
        flaw = _text(rule, value)
        return [f"{at}: {flaw}"] if flaw else []
    if isinstance(value, int | Decimal):
        outside = isinstance(value, bool) or not rule["min"] <= value <= rule["max"]
        too_fine = isinstance(value, Decimal) and value != round(value, 2)
        return [f"{at} is out of range"] if outside or too_fine else []
    if isinstance(value, list):
        fits = rule.get("min", 0) <= len(value) <= rule.get("max", len(value))
        return ([] if fits else [f"{at} has too few or too many entries"]) + [
            f for i, v in enumerate(value) for f in _value(rule["items"], v, f"{at}[{i}]")
        ]
    found = [f"{at}.{name} is missing" for name in rule["required"] if name not in value]
    for name, part in value.items():
        if name in rule["properties"]:
            found += _value(rule["properties"][name], part, f"{at}.{name}")
        else:
            found.append(f"{at}.{name} is unknown")
    return found


def _text(rule: dict[str, Any], value: str) -> str | None:
    if "enum" in rule and value not in rule["enum"]:
        return "not one of its values"
    pattern = rule.get("pattern", "")
    if pattern.startswith("#"):
        pattern = CONTRACT["patterns"][pattern[1:]]
    if not re.search(pattern, value):
        return "not of its form"
    if not rule.get("min", 0) <= len(value) <= rule.get("max", len(value)):
        return "too short or too long"
    return None
