"""Who teaches, where a shop has more users than are needed to know its items."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix


def teachers(users: np.ndarray, rows: csr_matrix, most: int) -> np.ndarray | None:
    """(most,) positions, rising: of the users who have an entry in `rows` those whose ids have the least
    hashes, so that who teaches tonight teaches tomorrow, too, whoever comes. None where everybody teaches."""
    able = np.flatnonzero(np.diff(rows.indptr))
    if len(able) <= most:
        return None
    hashes = pd.util.hash_array(users[able], categorize=False)
    return np.sort(able[np.argpartition(hashes, most)[:most]])
