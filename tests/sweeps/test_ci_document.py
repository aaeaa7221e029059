"""The workflows of docs/ci.md: their own steps, taken out of the document, run in a clone of this repository.

Less is measured, by the variables that the steps themselves use, and the environments are those that are here. A single
round gives no verdict, so that it is made into six, with a known slow-down; `-m soak` measures six, of an adapter that
is slower.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess

import pytest

from benchmarks.machine.environments import ROOT
from benchmarks.record.store import append

BLOCKS = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
READ = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))"
INSTALLS = ("python3 -m venv ", "python3 -m pip ", ".venv/bin/tox run --notest ", ".venv/bin/tox -e arms ")
SETS_UP, SHOWS = "Make the environments", "Show the tables"
LESS = {"FRAMEWORKS": "numpy", "MODELS": "linear", "ROUNDS": "1", "ARMS": "numpy@1.0,numpy@2.0"}
SLOWER = """

import time  # noqa: E402

_train = NumpyAdapter.train


def _slower(self, preloaded, first, count):
    begin = time.perf_counter()
    _train(self, preloaded, first, count)
    end = begin + 2 * (time.perf_counter() - begin)
    while time.perf_counter() < end:
        pass


NumpyAdapter.train = _slower
"""
GIT = ("git", "-c", "user.name=Test", "-c", "user.email=test@example.org")


def parsed(text):
    """Read YAML with the engine's environment, which has a reader of it for Dask."""
    python = ROOT / ".tox/engine/bin/python"
    done = subprocess.run([python, "-c", READ], input=text, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def workflows():
    """The document's four: by place, what starts it, what runs; GitHub's have `jobs`."""
    found = [parsed(text) for text in BLOCKS.findall((ROOT / "docs/ci.md").read_text())]
    return {"pull request": found[0], "merge request": found[1], "releases": found[2], "schedule": found[3]}


def job_of(workflow):
    [job] = (workflow.get("jobs") or workflow).values()
    return job


def steps_of(workflow):
    """Return what a workflow of GitHub's runs, by the names of its steps."""
    return {step["name"]: step["run"] for step in job_of(workflow)["steps"] if "run" in step}


@pytest.fixture
def clone(tmp_path):
    """An empty folder with a clone of this commit, one more commit on top, and the environments that are here."""
    folder = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)
    subprocess.run([*GIT, "commit", "--quiet", "--allow-empty", "--message", "merge"], cwd=folder, check=True)
    (folder / ".tox/releases").mkdir(parents=True)
    for name in ("bench", "numpy-cpu"):
        (folder / ".tox" / name).symlink_to(ROOT / ".tox" / name)
    for arm in LESS["ARMS"].split(","):
        (folder / ".tox/releases" / f"{arm}-cpu").symlink_to(ROOT / ".tox/numpy-cpu")
        shutil.copy(ROOT / "requirements/numpy-cpu.txt", folder / f"requirements/arms/{arm}-cpu.txt")
    return folder


@pytest.fixture
def step(workflows, clone, tmp_path):
    """Return a function that runs a step of a workflow of GitHub's, by its place, in the clone."""

    def run(name, place, **variables):
        workflow = workflows[name]
        given = {**workflow["env"], **LESS, **variables, "GITHUB_STEP_SUMMARY": tmp_path / "summary.md"}
        own = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment = {**own, **{key: str(value) for key, value in given.items()}}
        line = ["bash", "-e", "-c", list(steps_of(workflow).values())[place]]  # as GitHub runs it
        return subprocess.run(line, cwd=clone, env=environment, capture_output=True, text=True, check=False)

    return run


MEASURE, JUDGE, JUDGE_AGAIN, SHOW = 1, 2, 3, 4  # places of the steps; the first makes environments


def plant(folder, is_base, share):
    """Make of each row of a folder's only sweep six rounds; those that are not the base's are slower by a share."""
    [path] = folder.glob("*.jsonl")
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if json.loads(line)["kind"] != "row"))
    rows = {row["framework"] + str(row["revision"]): row for row in map(json.loads, lines) if row["kind"] == "row"}
    for row in rows.values():
        about = {name: value for name, value in row.items() if name not in ("kind", "schema_version", "checksum")}
        for number in range(6):
            speed = (1 if is_base(row) else 1 - share) * (1e6 + 1e3 * number)
            append(path, "row", {**about, "round": number, "train_samples_per_s": speed})


def test_both_places_run_the_same_lines_and_what_sets_up_only_installs(workflows):
    for github, gitlab in (("pull request", "merge request"), ("releases", "schedule")):
        found, job = steps_of(workflows[github]), job_of(workflows[gitlab])
        assert next(iter(found)) == SETS_UP
        installing = found.pop(SETS_UP).splitlines()
        assert all(line.startswith(INSTALLS) for line in installing)
        assert job["before_script"] == installing
        assert "speed.md" in found.pop(SHOWS)
        assert job["script"] == list(found.values())
        for name in ("MODELS", "ROUNDS", "LIMIT"):
            assert workflows[github]["env"][name] == job["variables"][name]
        kept = job_of(workflows[github])["steps"][-1]["with"]["path"].split()
        assert kept == job["artifacts"]["paths"]


def test_every_variable_of_a_step_is_the_workflow_s(workflows):
    for workflow in workflows.values():
        job = job_of(workflow)
        lines = [*steps_of(workflow).values()] if "jobs" in workflow else [*job["before_script"], *job["script"]]
        used = {name for line in lines for name in re.findall(r"\$\{?([A-Z_]+)", line)} - {"GITHUB_STEP_SUMMARY"}
        assert used <= set(workflow["env"] if "jobs" in workflow else job["variables"])


def test_a_pull_request_is_stopped_by_what_is_slower_twice(step, clone, tmp_path):
    """The suspects are measured for real."""
    done = step("pull request", MEASURE)
    assert done.returncode == 0, done.stderr
    assert "1 round: too few for a verdict, which needs 6; add --rounds 10" in done.stderr
    done = step("pull request", JUDGE)
    assert done.returncode == 2, done.stderr  # no verdict is no pass, and nothing is suspected
    plant(clone / "first", lambda row: row["revision"], 0.1)
    done = step("pull request", JUDGE)
    assert done.returncode == 0, done.stderr  # the alarm is left to the next verdict
    assert "slower: numpy linear" in done.stderr
    plant(clone / "again", lambda row: row["revision"], 0)
    assert step("pull request", JUDGE_AGAIN).returncode == 0
    plant(clone / "again", lambda row: row["revision"], 0.1)
    done = step("pull request", JUDGE_AGAIN)
    assert done.returncode == 1
    assert "slower: numpy linear" in done.stderr
    assert step("pull request", SHOW).returncode == 0
    shown = (tmp_path / "summary.md").read_text()
    assert shown.count("### linear, batch 100") == 3
    assert shown.count(" slower |") == 2
    assert shown.count("## Measured again") == 2


def test_a_night_of_two_releases_passes_where_they_are_alike(step, clone):
    done = step("releases", MEASURE)
    assert done.returncode == 0, done.stderr
    assert "1 round: too few for a verdict" in done.stderr
    plant(clone / "first", lambda row: row["framework"] == "numpy@1.0", 0)
    assert step("releases", JUDGE).returncode == 0
    assert not (clone / "again").exists()
    assert step("releases", JUDGE_AGAIN).returncode == 0
    assert "numpy@2.0" in (clone / "speed.md").read_text()


@pytest.mark.soak
@pytest.mark.parametrize("is_slower", [True, False])
def test_a_pull_request_that_makes_an_adapter_slower_is_stopped(step, clone, is_slower):
    """Nothing is planted into rows: six rounds, and six again."""
    if is_slower:
        adapter = clone / "adapters/numpy/__init__.py"
        adapter.write_text(adapter.read_text() + SLOWER)
        subprocess.run([*GIT, "commit", "--quiet", "--all", "--message", "slower"], cwd=clone, check=True)
    codes = [step("pull request", place, ROUNDS=6, LIMIT="slower:20%").returncode for place in (1, 2, 3)]
    assert codes == [0, 0, int(is_slower)]
