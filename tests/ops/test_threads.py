"""Who gets how many threads."""

import os
import subprocess
import sys
import warnings

import pytest
import torch
from known import red_ball_prior, small_config

from dreamlab.cli import main
from dreamlab.core import waiting
from dreamlab.core.errors import ConfigError
from dreamlab.ops import threads
from dreamlab.run.machine import environment, with_threads
from dreamlab.run.pipeline import generate
from dreamlab.run.run_dir import RunDir

LOCKER = """
import sys
from pathlib import Path
from dreamlab.ops import threads
print(threads.live_runs(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def unset(monkeypatch):
    monkeypatch.delenv("DREAMLAB_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


@pytest.fixture
def fresh_lock(monkeypatch):
    held = []
    monkeypatch.setattr(threads, "_held", held)
    yield
    for descriptor in held:
        os.close(descriptor)


@pytest.mark.parametrize(("cores", "runs", "each"), [(8, 1, 8), (8, 3, 2), (2, 5, 1), (1, 1, 1), (4, 0, 4)])
def test_runs_share_evenly_and_get_one_at_least(cores, runs, each):
    assert threads.share(cores, runs) == each


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "nonsense"}, None),
        ({"cpu.cfs_quota_us": "200000\n", "cpu.cfs_period_us": "100000\n"}, 2.0),
        ({"cpu.cfs_quota_us": "-1\n", "cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_the_control_groups_quota_is_read(tmp_path, files, quota):
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert threads._quota(tmp_path) == quota


def test_cores_are_those_of_the_affinity_cut_by_the_quota(four_cores, tmp_path):
    own = tmp_path / "none"
    assert threads.available_cores(tmp_path, own) == 4
    (tmp_path / "cpu.max").write_text("150000 100000")
    assert threads.available_cores(tmp_path, own) == 2, "one and a half cores, rounded up"
    (tmp_path / "cpu.max").write_text("900000 100000")
    assert threads.available_cores(tmp_path, own) == 4


@pytest.mark.parametrize(
    ("line", "group", "files"),
    [
        ("0::/user.slice/work.scope", "user.slice/work.scope", {"cpu.max": "300000 100000"}),
        ("0::/user.slice/work.scope", "user.slice", {"cpu.max": "300000 100000"}),
        ("4:cpu,cpuacct:/batch/7", "cpu/batch", {"cpu.cfs_quota_us": "3", "cpu.cfs_period_us": "1"}),
    ],
)
def test_the_smallest_quota_of_the_groups_around_the_process_counts(four_cores, tmp_path, line, group, files):
    own = tmp_path / "cgroup"
    own.write_text(f"9:memory:/elsewhere\n{line}\n")
    (tmp_path / group).mkdir(parents=True)
    for name, text in files.items():
        (tmp_path / group / name).write_text(text)
    assert threads.available_cores(tmp_path, own) == 3
    (tmp_path / "cpu.max").write_text("200000 100000")
    assert threads.available_cores(tmp_path, own) == 2


@pytest.fixture
def four_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 5}, raising=False)


def test_the_environment_overrides_the_projects_own_variable_first(unset, monkeypatch):
    assert threads.override() is None
    monkeypatch.setenv("OMP_NUM_THREADS", "3,2")
    assert threads.override() == 3
    monkeypatch.setenv("DREAMLAB_THREADS", "5")
    assert threads.override() == 5


@pytest.mark.parametrize("text", ["0", "-2", "many", "1.5"])
def test_a_senseless_override_is_refused(unset, monkeypatch, text):
    monkeypatch.setenv("DREAMLAB_THREADS", text)
    with pytest.raises(ConfigError, match="DREAMLAB_THREADS"):
        threads.override()


def test_apply_sets_torch(unset, monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setenv("DREAMLAB_THREADS", "2")
    try:
        assert threads.apply() == 2
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_living_runs_are_counted_and_dead_ones_forgotten(tmp_path, fresh_lock):
    pytest.importorskip("fcntl")
    folder = tmp_path / "locks"
    assert threads.live_runs(folder) == 1
    other = subprocess.Popen(
        [sys.executable, "-c", LOCKER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert other.stdout.readline().strip() == "2"
    assert threads.live_runs(folder) == 2
    other.kill()
    other.communicate()
    assert threads.live_runs(folder) == 1
    assert [p.stem for p in folder.glob("*.lock")] == [str(os.getpid())]


def test_a_folder_that_cannot_be_written_means_one_run(tmp_path, fresh_lock):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert threads.live_runs(blocked / "locks") == 1


@pytest.fixture
def three_asked_for(monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setenv("DREAMLAB_THREADS", "3")
    yield
    torch.set_num_threads(before)


def test_a_run_begins_by_deciding_its_threads(tmp_path, three_asked_for):
    config = small_config()
    events = generate(config, RunDir.create(tmp_path, config, environment()), red_ball_prior())
    next(events)
    assert torch.get_num_threads() == 3
    events.close()


def test_the_command_line_writes_down_the_threads_it_decided(tmp_path, three_asked_for, monkeypatch):
    seen = []
    monkeypatch.setattr("dreamlab.cli.drive.drive", lambda config, run, mode, **_: seen.append(run) or 0)
    assert main(["run", "a red ball", "--out", str(tmp_path)]) == 0
    assert seen[0].environment()["threads"] == 3


# ---- a temporary directory that anyone may write to ----


@pytest.fixture
def project(tmp_path):
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("Cargo.lock", "poetry.lock", "7.lock"):
        (folder / name).touch()
    yield folder
    assert sorted(p.name for p in folder.iterdir()) == ["7.lock", "Cargo.lock", "poetry.lock"]


def test_a_planted_link_is_not_followed(tmp_path, fresh_lock, project):
    (tmp_path / "locks").symlink_to(project)
    with pytest.warns(UserWarning, match="not ours alone"):
        assert threads.live_runs(tmp_path / "locks") == 1


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_to_is_not_used(tmp_path, fresh_lock, project, mode):
    project.chmod(mode)
    with pytest.warns(UserWarning, match="not ours alone"):
        assert threads.live_runs(project) == 1


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_not_used(tmp_path, fresh_lock, project):
    project.chmod(0o700)
    os.chown(project, 4321, 4321)
    with pytest.warns(UserWarning, match="not ours alone"):
        assert threads.live_runs(project) == 1


def test_only_files_of_runs_are_looked_at_in_our_own_folder(tmp_path, fresh_lock, project):
    folder = tmp_path / "locks"
    folder.mkdir(mode=0o700)
    (folder / "Cargo.lock").touch()
    (folder / "1.lock").symlink_to(project / "7.lock")
    os.mkfifo(folder / "2.lock")
    (folder / "3.lock").mkdir()
    assert threads.live_runs(folder) == 1
    assert (folder / "Cargo.lock").exists() and (project / "7.lock").exists()


# ---- the number is the run's ----


def test_what_a_run_began_with_counts_more_than_the_machine_and_less_than_our_own_variable(
    unset, monkeypatch
):
    before = torch.get_num_threads()
    try:
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
        assert (threads.apply(), threads.apply(3)) == (2, 3)
        monkeypatch.setenv("DREAMLAB_THREADS", "1")
        assert threads.apply(3) == 1
    finally:
        torch.set_num_threads(before)


def test_a_run_beside_another_says_that_it_takes_fewer_and_how_not_to(unset, monkeypatch):
    before = torch.get_num_threads()
    monkeypatch.setattr(threads, "live_runs", lambda: 2)
    monkeypatch.setattr(threads, "available_cores", lambda: 4)
    try:
        with pytest.warns(UserWarning, match="2 of 4 threads; --set threads=4"):
            assert with_threads(small_config()).threads == 2
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert with_threads(small_config(threads=3)).threads == 3
    finally:
        torch.set_num_threads(before)


# ---- how they wait ----


def test_threads_sleep_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    for given in ({}, {"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "ACTIVE"}, {"KMP_BLOCKTIME": "1"}):
        environ = dict(given)
        waiting.wait_for_work(environ)
        assert environ == (given or {"GOMP_SPINCOUNT": waiting.SPIN_COUNT})


def test_nothing_is_pretended_where_torch_is_loaded_already():
    environ: dict[str, str] = {}
    waiting.wait_for_work(environ)
    assert environ == {} and "torch was loaded before" in waiting.how_they_wait(environ)


@pytest.mark.parametrize("first", ["from dreamlab.cli import main; main(['doctor', '--json'])",
                                   "import dreamlab; dreamlab.generate"])  # fmt: skip
def test_it_is_decided_before_torch_is_loaded(first):
    code = f"import sys; assert 'torch' not in sys.modules; {first}; import os, torch; print(os.environ)"
    hidden = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environ = {k: v for k, v in os.environ.items() if k not in hidden} | {"PYTHONPATH": os.getcwd()}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ)
    assert f"'GOMP_SPINCOUNT': '{waiting.SPIN_COUNT}'" in done.stdout, done.stderr
    if "doctor" in first:
        assert f"wait by GOMP_SPINCOUNT={waiting.SPIN_COUNT}" in done.stdout
