# SPDX-License-Identifier: Apache-2.0
"""`tools/check`: builds what is missing, runs the tests, and ends with one line of counts.

    tools/check          everything
    tools/check quick    without what is marked slow (under two minutes)
    tools/check style    only the rules of the tree and the format

Groups: style (check_tree.py, clang-format), GoogleTest through ctest, lit, and pytest. Each writes a machine-readable report, from
which cases are counted; a group that ends with an error and reports no failure counts as one. The exit code is 1 if anything
failed or nothing ran.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as xml
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from steps import LLVM, ROOT, StepFailed, build, duration, environment, title

LIT_PASSED = {"PASS", "XFAIL", "FLAKYPASS"}
LIT_SKIPPED = {"UNSUPPORTED", "SKIPPED", "EXCLUDED"}


@dataclass
class Counts:
    """Cases of one group, and the names of those that failed."""

    passed: int = 0
    skipped: int = 0
    failed: list[str] = field(default_factory=list)

    def add(self, name: str, outcome: str) -> None:
        if outcome == "failed":
            self.failed.append(name)
        elif outcome == "skipped":
            self.skipped += 1
        else:
            self.passed += 1

    @property
    def total(self) -> int:
        return self.passed + self.skipped + len(self.failed)


@dataclass(frozen=True)
class Plan:
    """What to run: where the build is, whether slow tests are left out, how many processes a group may use."""

    folder: Path
    quick: bool
    jobs: int

    @property
    def reports(self) -> Path:
        return self.folder / "reports"


def style_group(plan: Plan) -> tuple[Counts, str]:
    """The rules of the tree, and the format of the C++ sources."""
    counts, output = Counts(), ""
    sources = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.cpp", "*.h", "*.c"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()  # fmt: skip
    sources = [source for source in sources if (ROOT / source).exists()]
    commands = {
        "tools/dev/check_tree.py": [sys.executable, "tools/dev/check_tree.py"],
        "clang-format": ["clang-format-22", "--dry-run", "-Werror", *sources],
    }
    for name, command in commands.items():
        done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
        counts.add(name, "failed" if done.returncode else "passed")
        if done.returncode:
            output += done.stdout + _unformatted(done.stderr)
    return counts, output


def _unformatted(complaints: str) -> str:
    """The command that formats what clang-format complains about."""
    files = sorted({line.split(":", 1)[0] for line in complaints.splitlines() if ": error: " in line})
    return f"not formatted; to fix: clang-format-22 -i {' '.join(files)}\n" if files else ""


def _run_group(command: list[object], plan: Plan, name: str, **variables: str) -> tuple[int, str]:
    """Runs a group's program, its output kept in the reports."""
    done = subprocess.run(
        [str(word) for word in command], cwd=ROOT, env={**environment(), **variables}, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    (plan.reports / f"{name}.log").write_text(done.stdout)
    return done.returncode, done.stdout


def _close(counts: Counts, code: int, name: str) -> Counts:
    """A program that failed without saying which case did is a failure of its own."""
    if code and not counts.failed:
        counts.add(f"{name}: exit code {code}", "failed")
    return counts


def ctest_group(plan: Plan) -> tuple[Counts, str]:
    """GoogleTest programs; the cases are in the report of each, or the program is one case."""
    cases, report = plan.reports / "gtest", plan.reports / "ctest.xml"
    cases.mkdir()
    command = ["ctest", "--test-dir", plan.folder, "--output-on-failure", "-j", plan.jobs, "--output-junit", report]
    code, output = _run_group([*command, *(["-LE", "slow"] if plan.quick else [])], plan, "ctest", GTEST_OUTPUT=f"xml:{cases}/")
    counts = Counts()
    for program in xml.parse(report).iter("testcase") if report.exists() else []:
        name = program.get("name")
        status = {"run": "passed", "fail": "failed"}.get(program.get("status"), "skipped")
        found = _gtest_cases(cases / f"{name}.xml")
        for case, outcome in found or [(name, status)]:
            counts.add(case, outcome)
        if status == "failed" and found and not any(outcome == "failed" for _, outcome in found):
            counts.add(f"{name} (crashed)", "failed")
    return _close(counts, code, "ctest"), output


def _gtest_cases(report: Path) -> list[tuple[str, str]]:
    """Name and outcome of every case in a program's report; none if it wrote no whole one."""
    try:
        tree = xml.parse(report)
    except (OSError, xml.ParseError):
        return []
    found = []
    for case in tree.iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        outcome = "failed" if case.find("failure") is not None else "passed"
        found.append((name, "skipped" if case.get("result") in ("skipped", "suppressed") else outcome))
    return found


def lit_group(plan: Plan) -> tuple[Counts, str]:
    """Text tests of passes and dialects."""
    report = plan.reports / "lit.json"
    command = [f"{LLVM}/lit", "-sv", "-j", plan.jobs, "-o", report, plan.folder / "test"]
    code, output = _run_group(command, plan, "lit")
    counts = Counts()
    for test in json.loads(report.read_text())["tests"] if report.exists() else []:
        skipped = "skipped" if test["code"] in LIT_SKIPPED else "failed"
        counts.add(test["name"], "passed" if test["code"] in LIT_PASSED else skipped)
    return _close(counts, code, "lit"), output


def pytest_group(plan: Plan, folder: str) -> tuple[Counts, str]:
    """One folder of Python tests."""
    name = f"pytest-{Path(folder).name}"
    report = plan.reports / f"{name}.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-rs", folder, f"--junitxml={report}", "-p", "no:cacheprovider"]
    tools = {"WEFT_BUILD": str(plan.folder)}
    code, output = _run_group([*command, *(["-m", "not slow"] if plan.quick else [])], plan, name, **tools)
    counts = Counts()
    for case in xml.parse(report).iter("testcase") if report.exists() else []:
        failed = case.find("failure") is not None or case.find("error") is not None
        skipped = "skipped" if case.find("skipped") is not None else "passed"
        counts.add(f"{case.get('classname')}::{case.get('name')}", "failed" if failed else skipped)
    return _close(counts, 0 if code == 5 else code, name), output  # 5: no test selected


def run_groups(plan: Plan) -> dict[str, Counts]:
    """Runs all groups, two at a time, and says what each found as it ends."""
    shutil.rmtree(plan.reports, ignore_errors=True)
    plan.reports.mkdir()
    groups = {
        "pytest test/Execution": lambda: pytest_group(plan, "test/Execution"),
        "GoogleTest": lambda: ctest_group(plan),
        "pytest test/python": lambda: pytest_group(plan, "test/python"),
        "pytest test/tools": lambda: pytest_group(plan, "test/tools"),
        "lit": lambda: lit_group(plan),
        "style": lambda: style_group(plan),
    }
    progress = title(f"test: {', '.join(groups)}; reports in {plan.reports}")
    found = {}
    with ThreadPoolExecutor(2) as pool:
        futures = {name: pool.submit(group) for name, group in groups.items()}
        for name, future in futures.items():
            counts, output = future.result()
            found[name] = counts
            if counts.failed:
                print("\n".join(output.splitlines()[-80:]), flush=True)
            print(f"    {name:<22} {summary([counts])} ({duration(progress.elapsed)})", flush=True)
    return found


def summary(groups: list[Counts]) -> str:
    failed = sum(len(counts.failed) for counts in groups)
    return f"{sum(c.passed for c in groups)} passed, {failed} failed, {sum(c.skipped for c in groups)} skipped"


def main() -> int:
    """Runs the checks; 0 if some ran and none failed."""
    parser = argparse.ArgumentParser(prog="tools/check", description="Builds what is missing and runs the tests.")
    parser.add_argument("what", nargs="?", choices=["all", "quick", "style"], default="all", help="default: all")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release", help="the build folder")
    arguments = parser.parse_args()
    plan = Plan(arguments.build.resolve(), arguments.what == "quick", max(1, (os.cpu_count() or 1) // 2))
    try:
        if arguments.what == "style":
            counts, output = style_group(plan)
            print(output, end="")
            found = {"style": counts}
        else:
            build(plan.folder, targets=[])
            found = run_groups(plan)
    except StepFailed as failure:
        print(failure)
        found = {"build": Counts(failed=["build"])}
    for name, counts in found.items():
        for case in counts.failed:
            print(f"failed: {name}: {case}")
    print(summary(list(found.values())))
    ran = sum(counts.total - counts.skipped for counts in found.values())
    return 0 if ran and not any(counts.failed for counts in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
