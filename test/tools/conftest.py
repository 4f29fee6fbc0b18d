# SPDX-License-Identifier: Apache-2.0
"""The marker of tests that the quick ones leave out."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", 'slow: left out of the quick tests by -m "not slow"')
