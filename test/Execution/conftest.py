# SPDX-License-Identifier: Apache-2.0
"""One lab a session, and the table of worst tensors at its end."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import BUILD, Lab

_TABLE = pytest.StashKey[list]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", 'slow: left out of the quick tests by -m "not slow"')


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if (BUILD / "bin/weft").exists():
        return
    for item in items:
        item.add_marker(pytest.mark.skip(reason=f"{BUILD}/bin/weft is not built"))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Lab]:
    made = Lab(tmp_path_factory.mktemp("lab"))
    request.config.stash[_TABLE] = made.table
    yield made
    reports = BUILD / "reports"
    reports.mkdir(exist_ok=True)
    Path(reports / "parity.json").write_text(json.dumps(made.table, indent=1) + "\n")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The table, with -v or -s."""
    rows = config.stash.get(_TABLE, [])
    if not rows or not (config.option.verbose > 0 or config.option.capture == "no"):
        return
    terminalreporter.section("worst tensor of each mesh, as a part of what is tolerated")
    for row in rows:
        terminalreporter.write_line(f"{row['mesh']:<52} {row['model']:<9} {row['how']:<10} {row['of tolerance']:<8} {row['worst']}")
