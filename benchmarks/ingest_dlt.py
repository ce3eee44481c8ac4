"""The other side of `ingest.py`: dlt's REST source into DuckDB, with parquet load files.

Runs in an environment of its own (`ingest.py` makes it) and imports nothing of this project.
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path

os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
os.environ.setdefault("RUNTIME__LOG_LEVEL", "ERROR")

import dlt
import duckdb
from dlt.sources.rest_api import rest_api_source


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    arguments = parser.parse_args()
    database = arguments.folder / "dlt.duckdb"
    source = rest_api_source(
        {
            "client": {
                "base_url": arguments.url,
                "auth": {"type": "bearer", "token": "benchmark"},
                "paginator": {"type": "json_link", "next_url_path": "links[0].href"},
            },
            "resources": [
                {
                    "name": "orders",
                    "primary_key": "salesOrderId",
                    "endpoint": {
                        "path": "v4/orders",
                        "params": {"limit": 256},
                        "data_selector": "resources",
                    },
                }
            ],
        }
    )
    pipeline = dlt.pipeline(
        "ingest",
        pipelines_dir=str(arguments.folder),
        destination=dlt.destinations.duckdb(str(database)),
        dataset_name="otto",
    )
    started, cpu = time.perf_counter(), time.process_time()
    pipeline.run(source, loader_file_format="parquet")
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    with duckdb.connect(str(database), read_only=True) as connection:
        orders = connection.execute("SELECT count(*) FROM otto.orders").fetchone()
        items = connection.execute("SELECT count(*) FROM otto.orders__position_items").fetchone()
    result = {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "orders": orders[0],
        "items": items[0],
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
