"""Storage on S3, tried against moto's server on this machine: pip install "moto[server]" s3fs."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from known import red_ball_prior

from dreamlab.batch.events import Ended, Stepped
from dreamlab.batch.remote import fetch, work_remotely
from dreamlab.batch.storage import Storage
from dreamlab.batch.work import Terms
from dreamlab.core.errors import InputError
from dreamlab.priors.embedded.prior import EmbeddedPriorConfig
from dreamlab.run.prior_cache import PriorCache
from tests.batch.toys import jobs_of, result, until, worked

NEEDS = 'S3 is not tried without moto and s3fs (pip install "moto[server]" s3fs)'
NOBODY = "http://127.0.0.1:9"


def on_s3() -> Any:
    """moto's server as a module, and s3fs beside it; tests are skipped where one of them is missing."""
    pytest.importorskip("s3fs", reason=NEEDS)
    return pytest.importorskip("moto.server", reason=NEEDS)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server of this process, with one bucket."""
    started = on_s3().ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    address = f"http://{host}:{port}"
    urllib.request.urlopen(urllib.request.Request(f"{address}/bucket", method="PUT")).close()
    yield address
    started.stop()


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """What points at that server, and nothing that this machine's user has set."""
    import os

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    said = {
        "AWS_ACCESS_KEY_ID": "a key",
        "AWS_SECRET_ACCESS_KEY": "a secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_MAX_ATTEMPTS": "1",
    }
    if "server" in request.fixturenames:
        said["AWS_ENDPOINT_URL_S3"] = request.getfixturevalue("server")
    for name, value in said.items():
        monkeypatch.setenv(name, value)


def storage(place: str = "bucket/toys") -> Storage:
    """Another machine's view of it: nothing is remembered."""
    pytest.importorskip("s3fs", reason=NEEDS).S3FileSystem.clear_instance_cache()
    return Storage(f"s3://{place}")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "checkpoints" / "000002").mkdir(parents=True)
    for name in ("config.yaml", ".lock", "checkpoints/000002/meta.json", "checkpoints/000002/s.safetensors"):
        (folder / name).write_text(name)
    return folder


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_a_run_is_written_listed_changed_and_fetched(server: str, run: Path, tmp_path: Path) -> None:
    there, another = storage("bucket/one"), storage("bucket/one")
    there.check()
    there.push(run, "a/0")
    assert another.places("a") == ["0"] and another.places("a/0") == ["checkpoints", "config.yaml"]
    assert another.pull("a/0", tmp_path / "back") and not another.pull("a/1", tmp_path / "none")
    assert names(tmp_path / "back") == names(run) - {".lock"}
    (run / "checkpoints" / "000002" / "meta.json").unlink()
    (run / "config.yaml").write_text("another")
    there.push(run, "a/0")
    assert another.pull("a/0", tmp_path / "then")
    assert names(tmp_path / "then") == {"config.yaml", "checkpoints/000002/s.safetensors"}
    assert (tmp_path / "then" / "config.yaml").read_text() == "another"


def test_a_bucket_that_is_not_there_is_told_and_not_made(server: str, run: Path) -> None:
    for use in (lambda there: there.check(), lambda there: there.push(run, "a/0")):
        with pytest.raises(InputError, match=r"s3://nobody/toys cannot be written to.*Make the bucket"):
            use(storage("nobody/toys"))
    with urllib.request.urlopen(server) as answer:
        assert b"<Name>bucket</Name>" in (told := answer.read()) and b"nobody" not in told


def test_wrong_keys_are_told(server: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moto.settings.INITIAL_NO_AUTH_ACTION_COUNT", 0)  # from now on it looks at keys
    with pytest.raises(InputError, match=r"cannot be written to.*See that the keys are right"):
        storage().check()
    with pytest.raises(InputError, match=r"cannot be written to.*See that the keys are right"):
        storage().push(run, "a/0")


def test_missing_keys_are_told(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(InputError, match="Set AWS_ACCESS_KEY_ID"):
        storage().check()


def test_a_server_that_is_gone_is_told(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_s3()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", NOBODY)
    monkeypatch.setattr("s3fs.S3FileSystem.retries", 1)  # they would take a while
    for use in (
        lambda there: there.check(),
        lambda there: there.push(run, "a/0"),
        lambda there: there.places("a"),
        lambda there: there.pull("a/0", tmp_path / "back"),
    ):
        with pytest.raises(InputError, match=r"s3://bucket/toys cannot be.*AWS_ENDPOINT_URL_S3"):
            use(storage())


@pytest.mark.slow
def test_a_job_goes_on_after_an_upload_that_was_cut_off(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is gone in the middle of the second checkpoint's files, and with it the machine; another one
    goes on from the first checkpoint, and ends as if nothing had been."""
    monkeypatch.setattr(EmbeddedPriorConfig, "build", lambda self, device="cpu": red_ball_prior())
    (job,) = jobs_of(tmp_path, ["a red ball"])
    (calm,) = worked([job], tmp_path / "calm").values()
    there = storage()
    put, written = there._write, []

    def cut(target: str, data: bytes) -> None:
        if "checkpoints/000004" in target and any("checkpoints/000004" in name for name in written):
            raise ConnectionResetError("the server is gone")
        written.append(target)
        put(target, data)

    monkeypatch.setattr(there, "_write", cut)
    terms = Terms(tmp_path, threads=1)
    with pytest.raises(InputError, match=r"cannot be written to.*See that the server runs"):
        list(work_remotely(job, terms, there, PriorCache()))
    assert any("checkpoints/000004" in name for name in written)
    events = work_remotely(job, terms, storage(), PriorCache())
    first = until(events, Stepped)
    assert isinstance(first, Stepped) and first.done == 3
    row = until(events, Ended).row  # type: ignore[attr-defined]
    fetch(row, storage(), tmp_path / "toys")
    assert result(tmp_path / "toys", row) == result(tmp_path / "calm", calm)


@pytest.mark.parametrize("missing", ["s3fs", "moto.server"])
def test_nothing_is_tried_only_where_a_package_is_missing(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys
    from types import ModuleType

    for name in ("s3fs", "moto", "moto.server"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    on_s3()
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(pytest.skip.Exception, match="S3 is not tried"):
        on_s3()
