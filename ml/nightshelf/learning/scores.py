"""The tables that the models leave for dbt: scores/<name>.parquet, a view of schema `ml` each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nightshelf.paths import Attempt


def write_scores(attempt: Attempt, name: str, table: Mapping[str, pa.Array]) -> None:
    attempt.scores.mkdir(parents=True, exist_ok=True)
    path = attempt.scores / f"{name}.parquet"
    pq.write_table(pa.table(dict(table)), path, compression="zstd")


def ids_of(ids: np.ndarray, codes: np.ndarray) -> pa.Array:
    """(n_codes,) text: ids[codes], null for a code below 0."""
    known = pa.array(ids.tolist(), pa.string())
    codes = pa.array(codes, pa.int32(), mask=np.asarray(codes) < 0)
    return pa.DictionaryArray.from_arrays(codes, known).dictionary_decode()
