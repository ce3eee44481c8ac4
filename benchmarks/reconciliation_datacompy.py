"""datacompy's comparison of the same lines, in an environment of its own.

    PYTHON benchmarks/reconciliation_datacompy.py {pandas,polars} FOLDER

`PYTHON` needs datacompy, pandas, polars and pyarrow. Reading the files is not timed.
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
    otto, wms = (frames.read_parquet(folder / f"{side}.parquet") for side in ("otto", "wms"))
    started = time.perf_counter()
    compared = Compare(otto, wms, join_columns=KEYS)
    counts = {
        "only_otto": len(compared.df1_unq_rows),
        "only_wms": len(compared.df2_unq_rows),
        "differ": len(compared.all_mismatch()),
    }
    seconds = time.perf_counter() - started
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "megabytes": megabytes, **counts}))


if __name__ == "__main__":
    main()
