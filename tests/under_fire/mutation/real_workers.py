"""The last stage: mutants of what lives in a worker's main process, tried with real workers.

Those are processes of their own, which read the package's files: so the mutant is written into a copy of the tree.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.under_fire.mutation.plan import Verdict

PATHS = (
    "tests/acceptance/test_kills.py",
    "tests/acceptance/test_sweeps.py",
    "tests/acceptance/test_edits.py",
    "tests/acceptance/test_poison.py",
)
LIMIT = 600
"""Seconds for one mutant."""
COPIED = ("insights_recovery", "tests", "pyproject.toml")


def tried(root: Path, folder: Path, keys: Sequence[str]) -> Iterator[Verdict]:
    """Try the mutants with these keys, one after the other."""
    from tests.under_fire.mutation.mutants import mutants, source_of

    if not keys:
        return
    tree = _copy(root, folder / "tree")
    for name in sorted({key.partition(".")[0] for key in keys}):
        source, file = source_of(name), tree / "insights_recovery" / f"{name}.py"
        for mutant in mutants(name, source):
            if mutant.key in keys:
                begun = time.monotonic()
                file.write_text(mutant.of(source))
                word, by = _run(tree)
                seconds = round(time.monotonic() - begun, 1)
                print(f"{word} {mutant.key}  {by}", file=sys.stderr, flush=True)
                yield Verdict(
                    key=mutant.key,
                    module=name,
                    line=mutant.lines[0],
                    verdict=word,
                    by=by,
                    tests=len(PATHS),
                    stage="real workers",
                    seconds=seconds,
                )
        file.write_text(source)


def _copy(root: Path, tree: Path) -> Path:
    tree.mkdir()
    for name in COPIED:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, tree / name)
    return tree


def _run(tree: Path) -> tuple[str, str]:
    # Two mutants may have the same size and be written in the same second: no compiled file must outlive its source.
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *PATHS]
    with subprocess.Popen(
        command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as tests:
        try:
            said, _ = tests.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            # It stops its workers and servers then.
            tests.terminate()
            tests.communicate()
            return "timeout", ""
    if tests.returncode == 0:
        return "survived", ""
    failed = [line.split()[1] for line in said.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return "killed", failed[0] if failed else f"pytest ended with {tests.returncode}"
