import pytest

from tests.support.landing import Landing


@pytest.fixture
def landing(tmp_path) -> Landing:
    return Landing(tmp_path)
