"""Writing: the old content or the new, and nothing beside it."""

from __future__ import annotations

import pytest

from nightshelf.storage import write_atomically


def test_a_write_that_fails_leaves_the_old_content_and_no_file_beside_it(tmp_path):
    path = tmp_path / "a.json"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
