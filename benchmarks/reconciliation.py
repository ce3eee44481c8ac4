"""How long a comparison of both sides takes, in full and for one day, beside a scan of its columns.

Each size is generated once into staged tables (`reconciliation_data.py`), then each run measures,
in a process of its own, the product's own steps (`assets.reconciliation`); what they write is
rolled back. With `--with-datacompy` a Python that has datacompy, pandas, polars and pyarrow
compares the same lines (`reconciliation_datacompy.py`).

    python -m benchmarks.reconciliation [--lines 1000000 10000000] [--runs 3] [--folder F]
        [--with-datacompy PYTHON]
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FOLDER = Path(tempfile.gettempdir()) / "otto_pipelines_benchmark_reconciliation"
TIMES_SCAN = 1.5
TIMES_DATACOMPY = {"polars": 15, "pandas": 50}
SHARE_OF_FULL = 0.03
MEGABYTES = 2_500
CHANGED_DAY = "2026-06-01"

# All that is compared, and where it lies.
COMPARED = {
    "position_items": "sales_order_id, position_item_id, fulfilment_status, sku, currency, "
    "buyer_price_cents, otto_carrier, otto_tracking_number, processable_at, sent_at, returned_at, "
    "cancelled_at, ship_by_at",
    "wms_orders": "order_ref, submitted_at, last_event_at, audited_at, present",
    "wms_order_lines": "order_ref, line_id, state, sku_sent, sku_seen, price_sent_cents, "
    "price_seen_cents, currency_seen, short_discrepancy, recorded_at",
    "parcels": "parcel_id, order_ref, carrier_raw, carrier, tracking_number, "
    "corrected_tracking_number, shipped_at, state, parked_rules",
    "parcel_lines": "parcel_id, order_ref, line_id",
    "outbox": "kind, business_key, order_ref, state",
}

Times = dict[str, float]


def main() -> None:
    """Measure each size and print medians, ratios and whether the targets are met."""
    arguments = _arguments()
    if arguments.child:
        job = {"build": build, "measure": measure}[arguments.child]
        print(json.dumps(job(arguments.folder, arguments.lines[0])))
        return
    missed = []
    for lines in arguments.lines:
        folder = arguments.folder / str(lines)
        if not (folder / "built.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "built.json").write_text(json.dumps(_child("build", folder, lines)))
        built = json.loads((folder / "built.json").read_text())
        runs = [_child("measure", folder, lines) for _ in range(arguments.runs)]
        result = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        for side in TIMES_DATACOMPY if arguments.with_datacompy else ():
            result |= _datacompy(arguments.with_datacompy, side, folder)
        missed += _report(lines, built, result)
    if missed:
        sys.exit("missed: " + "; ".join(missed))


def build(folder: Path, lines: int) -> Times:
    """Generate the staged tables, judge everything, and write both sides flat for other tools."""
    from assets.reconciliation.reconcile import finish, judge_everything  # noqa: PLC0415
    from benchmarks.reconciliation_data import generate  # noqa: PLC0415

    result: Times = {}
    with _finance(folder).writer() as con:
        # What was generated before a build was broken off is kept.
        if not con.execute("SELECT count(*) FROM staging.orders").fetchall()[0][0]:
            con.begin()
            generate(con, lines)
            con.execute("CREATE OR REPLACE TABLE main.planted AS FROM planted")
            con.commit()
        con.begin()
        with _timed(result, "full rebuild"):
            _prepare(con)
            judge_everything(con)
            finish(con)
            con.commit()
        con.execute("CHECKPOINT finance")
        found = "SELECT kind, sales_order_id, position_item_id FROM reconciliation.breaks"
        wrong = con.execute(
            f"SELECT count(*) FROM ((FROM main.planted EXCEPT ALL {found}) "
            f"UNION ALL ({found} EXCEPT ALL FROM main.planted))"
        ).fetchone()
        if wrong is None or wrong[0]:
            sys.exit(f"{wrong} breaks were not found, or found without being planted")
        for side, query in _FLAT.items():
            con.execute(f"COPY ({query}) TO '{folder / side}.parquet' (COMPRESSION zstd)")
    return result


def measure(folder: Path, lines: int) -> Times:
    """Scan, judge all that differs from nothing, judge one day; seconds, CPU seconds, megabytes."""
    from assets.reconciliation.reconcile import (  # noqa: PLC0415
        CLASSIFY,
        FEEDS,
        finish,
        judge_changed,
        run_steps,
    )
    from assets.reconciliation.scope import add_suspects  # noqa: PLC0415

    result: Times = {}
    with _finance(folder).writer() as con:
        _warm_up(con)
        with _timed(result, "scan"):
            for table, columns in COMPARED.items():
                con.execute(f"SELECT bit_xor(hash({columns})) FROM staging.{table}").fetchall()

        def judge(condition: str, *, all_suspects: bool) -> int:
            con.execute(
                "CREATE OR REPLACE TEMP TABLE changed_orders AS SELECT sales_order_id AS order_ref,"
                f" order_day, order_key FROM staging.orders WHERE {condition}"
            )
            _prepare(con)
            orders = judge_changed(con, all_suspects=all_suspects)
            finish(con)
            return orders

        with _rolled_back(con):
            con.execute("DELETE FROM reconciliation.breaks")
            con.execute("DELETE FROM reconciliation.break_history")
            _prepare(con)
            with _timed(result, "classify"):
                run_steps(con, ["suspects"])
                add_suspects(con)
                run_steps(con, [*FEEDS, "lines", *CLASSIFY, "breaks"])
            found = con.execute("SELECT count(*) FROM reconciliation.breaks").fetchone()
            planted = con.execute("SELECT count(*) FROM main.planted").fetchone()
            if found != planted:
                sys.exit(f"{found} breaks of {planted} were found among {lines} lines")
        with _rolled_back(con), _timed(result, "changed tolerance"):
            judge("false", all_suspects=True)
        with _rolled_back(con):
            # What a day of new facts looks like: a tenth of its prices differ now.
            con.execute(
                "UPDATE staging.wms_order_lines SET price_seen_cents = price_seen_cents + 1 "
                f"WHERE order_day = '{CHANGED_DAY}' AND order_key % 10 = 0"
            )
            with _timed(result, "one day"):
                judge(f"order_day = '{CHANGED_DAY}'", all_suspects=False)
    result["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return result


_FLAT = {
    "otto": """
        SELECT sales_order_id, position_item_id, sku, buyer_price_cents AS price, currency,
            fulfilment_status = 'SENT' AS gone, otto_carrier AS carrier,
            otto_tracking_number AS number
        FROM staging.position_items WHERE fulfilment_status NOT LIKE 'CANCELLED%'
        """,
    "wms": """
        SELECT l.order_ref AS sales_order_id, line_id AS position_item_id, sku_seen AS sku,
            price_seen_cents AS price, currency_seen AS currency, l.state = 'SHIPPED' AS gone,
            carrier, tracking_number AS number
        FROM staging.wms_order_lines AS l
        LEFT JOIN (staging.parcel_lines JOIN staging.parcels USING (parcel_id))
            USING (line_id)
        WHERE l.state <> 'CANCELLED'
        """,
}


def _finance(folder: Path) -> Any:
    from resources.finance import FinanceDatabase  # noqa: PLC0415

    return FinanceDatabase(folder / "finance.duckdb")


def _prepare(con: Any) -> None:
    from assets.reconciliation.preparation import prepare  # noqa: PLC0415
    from benchmarks.reconciliation_data import NOW  # noqa: PLC0415
    from resources.operating_model import Reconciliation  # noqa: PLC0415

    prepare(con, Reconciliation(), {}, NOW)


def _warm_up(con: Any) -> None:
    """Read the file once, so that no side pays for the disk."""
    for table in (*COMPARED, "orders", "otto_fingerprints", "wms_fingerprints"):
        con.execute(f"SELECT bit_xor(hash(t)) FROM staging.{table} AS t").fetchall()


@contextmanager
def _timed(result: Times, name: str) -> Iterator[None]:
    started, cpu = time.perf_counter(), time.process_time()
    yield
    result[name] = time.perf_counter() - started
    result[f"{name} cpu"] = time.process_time() - cpu


@contextmanager
def _rolled_back(con: Any) -> Iterator[None]:
    con.begin()
    try:
        yield
    finally:
        con.rollback()


def _child(job: str, folder: Path, lines: int) -> Times:
    command = [sys.executable, "-m", "benchmarks.reconciliation", "--child", job]
    command += ["--lines", str(lines), "--folder", str(folder)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, cwd=HERE.parent)
    result: Times = json.loads(done.stdout)
    print(f"{lines:,} lines, {job}: {result}", file=sys.stderr)
    return result


def _datacompy(python: str, side: str, folder: Path) -> Times:
    """One run of datacompy; nothing where it does not end well, as when memory is too small."""
    script = str(HERE / "reconciliation_datacompy.py")
    done = subprocess.run([python, script, side, str(folder)], stdout=subprocess.PIPE, check=False)
    if done.returncode:
        print(f"datacompy {side} ended with {done.returncode}", file=sys.stderr)
        return {}
    run: Times = json.loads(done.stdout)
    print(f"datacompy {side}: {run}", file=sys.stderr)
    return {
        side: run["seconds"],
        f"{side} cpu": run["cpu"],
        f"{side} reading": run["reading"],
        f"{side} megabytes": run["megabytes"],
    }


def _report(lines: int, built: Times, result: Times) -> list[str]:
    """Print the table of one size; returns the targets that are missed."""
    print(f"\n{lines:,} OTTO lines against as many of the WMS, {lines // 200:,} breaks")
    scan, classify, day = result["scan"], result["classify"], result["one day"]
    full = built["full rebuild"]
    checks: list[tuple[str, float, float, str, bool]] = [
        ("scan of the columns", scan, result["scan cpu"], "", True),
        (
            "all breaks classified",
            classify,
            result["classify cpu"],
            f"{classify / scan:.2f} x the scan (target {TIMES_SCAN}), "
            f"{result['classify cpu'] / result['scan cpu']:.2f} x by CPU",
            classify <= TIMES_SCAN * scan,
        ),
        (
            "all judged again, written",
            result["changed tolerance"],
            result["changed tolerance cpu"],
            "as after a changed tolerance",
            True,
        ),
        (
            "one day changed",
            day,
            result["one day cpu"],
            f"{day / full:.2%} of the rebuild (target {SHARE_OF_FULL:.0%}), "
            f"{result['one day cpu'] / built['full rebuild cpu']:.2%} by CPU",
            day < SHARE_OF_FULL * full,
        ),
        ("full rebuild of all tables", full, built["full rebuild cpu"], "", True),
    ]
    checks += [
        (
            f"datacompy on {side}",
            result[side],
            result[f"{side} cpu"],
            f"{_times_ours(result, side)} (target {times})",
            result[side] >= times * classify,
        )
        for side, times in TIMES_DATACOMPY.items()
        if side in result
    ]
    for name, wall, cpu, text, _ in checks:
        print(f"  {name:28} {wall:8.2f} s {cpu:8.2f} s CPU  {text}")
    print(f"  peak memory {result['megabytes']:,.0f} MB (target {MEGABYTES:,})")
    missed = [f"{name} at {lines:,} lines" for name, *_, met in checks if not met]
    return missed + ([f"memory at {lines:,}"] if result["megabytes"] > MEGABYTES else [])


def _times_ours(result: Times, side: str) -> str:
    wall, cpu = (result[f"{side}{kind}"] / result[f"classify{kind}"] for kind in ("", " cpu"))
    reading, megabytes = result[f"{side} reading"], result[f"{side} megabytes"]
    return (
        f"{wall:.1f} x ours, {cpu:.1f} x by CPU, {megabytes:,.0f} MB, reading {reading:.1f} s more"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="kept for the next time")
    parser.add_argument("--with-datacompy", metavar="PYTHON")
    parser.add_argument("--child", choices=("build", "measure"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
