"""Tables of the documents that follow from the code: columns, breaks, checks, settings, commands.

Belongs here: rendering them, and writing each between its two markers in `docs`. A test compares
what stands there with what is rendered, so that the documents do not drift; after a change run

    .venv/bin/python -m tools.doc_tables
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, get_origin

import typer
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from assets.contracts.money_rules import MONEY_RULES
from assets.contracts.price_rules import PRICE_RULES
from assets.contracts.rules import RULES
from assets.exceptions.kinds import EXCEPTION_KINDS
from assets.kpi.figures import KPIS
from assets.reconciliation.break_kinds import BREAK_KINDS
from assets.rules.fulfilment_status import STATUSES
from assets.rules.shipment_gate import GATE_RULES
from otto_pipelines.cli import app
from otto_pipelines.definitions import build_definitions
from resources.finance_close import CLOSING, VIEWS, View
from resources.finance_history import HISTORY
from resources.finance_schema import RECONCILIATION
from resources.finance_table import Table
from resources.operating_model import OperatingModel
from resources.wms import http
from resources.wms.capabilities import MEANINGS
from resources.wms.files import adapter as files
from resources.wms.ongoing import adapter as ongoing
from resources.wms.tryton import adapter as tryton
from sensors.lanes import JOBS, LANE_TAG
from tools.error_catalogue import catalogue

DOCS = Path(__file__).resolve().parents[1] / "docs"
_BLOCK = re.compile(
    r"(<!-- generated: (?P<name>[a-z-]+) -->\n)(?P<text>.*?)(<!-- end -->)", re.DOTALL
)


def markdown(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; pipes in cells are escaped."""
    lines = [columns, ["---"] * len(columns), *rows]
    cells = ([str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


def finance_tables() -> str:
    """Every table of finance with its columns."""
    shown: list[Table | View] = [*RECONCILIATION, *HISTORY, *CLOSING, *VIEWS]
    return "\n".join(
        f"### `{table.full_name}`\n\n{table.meaning}\n\n"
        + markdown(
            ["Column", "Type", "Meaning"],
            [[f"`{c.name}`", c.type, c.meaning] for c in table.columns],
        )
        for table in shown
    )


def break_kinds() -> str:
    """Every kind of break in the order in which the root cause is chosen."""
    return markdown(
        ["Kind", "Area", "Owner", "Meaning", "What to do"],
        [[f"`{k.kind}`", k.area, k.owner, k.meaning, k.remedy] for k in BREAK_KINDS.values()],
    )


def contract_rules() -> str:
    """The contract of orders."""
    return markdown(
        ["Check", "Meaning", "Owner", "What to do"],
        [[f"`{r.name}`", r.description, r.owner, r.remedy] for r in RULES.values()],
    )


def money_rules() -> str:
    """What rows about money must satisfy before they are stored."""
    return markdown(
        ["Check", "Meaning", "Owner", "What to do"],
        [[f"`{r.name}`", r.description, r.owner, r.remedy] for r in MONEY_RULES.values()],
    )


def price_rules() -> str:
    """What stored prices must satisfy, with the asset whose check it is."""
    return markdown(
        ["Check", "Asset", "Meaning", "Owner", "What to do"],
        [
            [f"`{r.name}`", f"`{r.asset}`", r.description, r.owner, r.remedy]
            for r in PRICE_RULES.values()
        ],
    )


def gate_rules() -> str:
    """The tracking gate."""
    return markdown(
        ["Check", "What must be true"], [[f"`{name}`", text] for name, text in GATE_RULES.items()]
    )


def exception_kinds() -> str:
    """Every kind of exception."""
    return markdown(
        ["Kind", "Owner", "Meaning", "What to do", "Here"],
        [
            [f"`{k.kind}`", k.owner, k.meaning, k.remedy, " ".join(k.actions)]
            for k in EXCEPTION_KINDS.values()
        ],
    )


def kpis() -> str:
    """The key figures; times in minutes, money in cents."""
    return markdown(["Figure", "Meaning"], [[f"`{k.name}`", k.meaning] for k in KPIS.values()])


def fulfilment_statuses() -> str:
    """Every status that customer care sees, in the order in which it is chosen."""
    return markdown(
        ["Status", "What is so", "What happens next", "What to tell the buyer", "Who has to act"],
        [
            [f"`{s.status}`", s.meaning, s.next_step, s.tell_buyer, s.escalate_to]
            for s in STATUSES.values()
        ],
    )


def assets() -> str:
    """Every asset."""
    specs = sorted(
        build_definitions().resolve_all_asset_specs(), key=lambda s: (s.group_name or "", s.key)
    )
    return markdown(
        ["Asset", "Group", "What it is"],
        [[f"`{s.key.to_user_string()}`", s.group_name, s.description] for s in specs],
    )


def automation() -> str:
    """Schedules and sensors; crons are the defaults of the operating model."""
    definitions: Any = build_definitions()
    schedules = [
        [f"`{each.name}`", f"schedule, `{each.cron_schedule}`", each.description]
        for each in definitions.schedules
    ]
    sensors = [[f"`{each.name}`", "sensor", each.description] for each in definitions.sensors]
    return markdown(["Name", "Kind", "What it does"], schedules + sensors)


def jobs() -> str:
    """Jobs with their lanes."""
    return markdown(
        ["Job", "Lane", "What it does"],
        [
            [f"`{job.name}`", dict(job.tags or {}).get(LANE_TAG, ""), job.description]
            for job in JOBS
        ],
    )


def commands() -> str:
    """What people type."""
    return markdown(["Command", "What it does"], list(_commands(typer.main.get_command(app), "")))


def _commands(command: Any, path: str) -> Iterator[list[str]]:
    children = getattr(command, "commands", {})
    for name, child in children.items():
        yield from _commands(child, f"{path} {name}")
    if not children:
        usage = "".join(f" {_usage(parameter)}" for parameter in command.params)
        yield [f"`otto-pipelines{path}{usage}`", command.help]


def _usage(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        shown = f"{parameter.name}{'...' if parameter.nargs == -1 else ''}"
    else:
        shown = parameter.opts[0]
    return shown if parameter.required else f"[{shown}]"


def operating_model() -> str:
    """Every setting with its default."""
    return markdown(["Setting", "Default", "Meaning"], list(_settings(OperatingModel, "")))


def _settings(model: type[BaseModel], path: str) -> Iterator[list[str]]:
    for name, field in model.model_fields.items():
        section = _section(field.annotation)
        if section is not None:
            several = "[n]" if get_origin(field.annotation) is tuple else ".<code>"
            inner = f"{path}{name}{'' if section is field.annotation else several}."
            yield from _settings(section, inner)
            continue
        required = field.default is PydanticUndefined and field.default_factory is None
        default = _shown(field.get_default(call_default_factory=True))
        yield [f"`{path}{name}`", "required" if required else default, field.description or ""]


def _section(annotation: Any) -> type[BaseModel] | None:
    parts = [annotation, *getattr(annotation, "__args__", ())]
    return next((p for p in parts if isinstance(p, type) and issubclass(p, BaseModel)), None)


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return "`[" + ", ".join(str(part) for part in value) + "]`"
    return f"`{value}`"


def wms_features() -> str:
    """What each warehouse adapter can do, and what happens without it."""
    known = [adapter.CAPABILITIES for adapter in (http, tryton, files, ongoing)]
    rows = [
        [
            f"`{feature}`: {meaning}",
            *("yes" if feature in adapter.supports else "no" for adapter in known),
            without,
        ]
        for feature, (meaning, without) in MEANINGS.items()
    ]
    return markdown(["Feature", *(f"`{one.name}`" for one in known), "Without it"], rows)


def error_messages() -> str:
    """Every error of ours: what it means, what to do, and its messages."""
    return "\n".join(
        f"### `{kind.name}`\n\n{kind.meaning}\n\n**What to do:** {kind.cure}\n\n"
        + "".join(f"* {message.replace('<', '‹').replace('>', '›')}\n" for message in kind.messages)
        for kind in catalogue()
    )


TABLES: dict[str, Callable[[], str]] = {
    "finance-tables": finance_tables,
    "break-kinds": break_kinds,
    "contract-rules": contract_rules,
    "money-rules": money_rules,
    "price-rules": price_rules,
    "gate-rules": gate_rules,
    "exception-kinds": exception_kinds,
    "kpis": kpis,
    "fulfilment-statuses": fulfilment_statuses,
    "assets": assets,
    "automation": automation,
    "jobs": jobs,
    "commands": commands,
    "operating-model": operating_model,
    "wms-features": wms_features,
    "error-messages": error_messages,
}


def blocks(text: str) -> dict[str, str]:
    """The generated blocks of a document: name to content."""
    return {found["name"]: found["text"].strip() for found in _BLOCK.finditer(text)}


def filled(text: str) -> str:
    """The document with every block rendered anew."""
    return _BLOCK.sub(
        lambda found: f"{found[1]}\n{TABLES[found['name']]()}\n{found[4]}",
        text,
    )


def main() -> None:
    """Write all blocks of all documents."""
    for path in sorted(DOCS.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        if (new := filled(text)) != text:
            path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
