"""datacompy's comparison of the same lines, in an environment of its own.

    PYTHON benchmarks/reconciliation_datacompy.py {pandas,polars} FOLDER

`PYTHON` needs datacompy, pandas, polars and pyarrow. What is timed ends with the rows that differ
and with datacompy's report; reading the files is timed by itself.
"""

import json
import resource
import sys
import time
from pathlib import Path

KEYS = ["sales_order_id", "position_item_id"]


def main() -> None:
    """Compare `otto.parquet` with `wms.parquet` and print seconds and megabytes."""
    engine, folder = sys.argv[1], Path(sys.argv[2])
    if engine == "polars":
        import polars as frames  # noqa: PLC0415
        from datacompy import PolarsCompare as Compare  # noqa: PLC0415
    else:
        import pandas as frames  # noqa: PLC0415

        try:
            from datacompy import PandasCompare as Compare  # noqa: PLC0415
        except ImportError:
            from datacompy import Compare  # noqa: PLC0415
    started = time.perf_counter()
    otto, wms = (frames.read_parquet(folder / f"{side}.parquet") for side in ("otto", "wms"))
    result = {"reading": time.perf_counter() - started}
    started, cpu = time.perf_counter(), time.process_time()
    compared = Compare(otto, wms, join_columns=KEYS)
    result["only_otto"] = len(compared.df1_unq_rows)
    result["only_wms"] = len(compared.df2_unq_rows)
    result["differ"] = len(compared.all_mismatch())
    compared.report()
    result["seconds"] = time.perf_counter() - started
    result["cpu"] = time.process_time() - cpu
    result["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(result))


if __name__ == "__main__":
    main()
