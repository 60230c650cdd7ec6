"""A read by PyAirbyte into a DuckDB file; runs in its virtual environment, with the work as its argument in JSON."""

import json
import sys
import time

import airbyte
from airbyte.caches import DuckDBCache


def main(wanted: dict[str, object]) -> None:
    """Print the seconds and the rows."""
    began = time.perf_counter()
    source = airbyte.get_source(
        "source-hardcoded-records", config=wanted["config"], local_executable=wanted["executable"]
    )
    source.select_streams(wanted["streams"])
    result = source.read(cache=DuckDBCache(db_path="peer.duckdb"), force_full_refresh=True)
    seconds = time.perf_counter() - began
    sys.stdout.write("\n" + json.dumps({"seconds": seconds, "rows": result.processed_records}) + "\n")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
