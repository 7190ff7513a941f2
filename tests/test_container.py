"""What can be known of the Dockerfile without building it, and of the wheels without cibuildwheel."""

from __future__ import annotations

import re
import sys
from fnmatch import fnmatch

import pytest
from pages import DOCS, ROOT, blocks

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = ROOT / "scripts" / "docker" / "Dockerfile"
JOINED = FILE.read_text("utf-8").replace("\\\n", " ").splitlines()
STEPS = [(line.split()[0], " ".join(line.split()[1:])) for line in JOINED if line[:1] not in ("", "#")]
INSTALL = (DOCS / "install.md").read_text("utf-8")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def steps(name: str) -> list[str]:
    return [rest for step, rest in STEPS if step == name]


def copied() -> list[str]:
    """What is copied from the project's folder."""
    return [path for rest in steps("COPY") if "--from" not in rest for path in rest.split()[:-1]]


def let_in(path: str) -> bool:
    """Whether the build's context has it: the last line of the list that fits decides."""
    lines = FILE.with_suffix(".dockerignore").read_text("utf-8").splitlines()
    verdicts = [line.startswith("!") for line in lines if line[:1] != "#" and fnmatch(path, line.lstrip("!"))]
    return bool(verdicts) and verdicts[-1]


def test_instructions_are_dockers() -> None:
    known = "FROM RUN WORKDIR ENV COPY ARG USER VOLUME ENTRYPOINT CMD".split()
    assert [step for step, _ in STEPS if step not in known] == []
    assert STEPS[0][0] == "FROM"


def test_all_that_is_copied_exists_and_is_let_into_the_build() -> None:
    assert [path for path in copied() if not (ROOT / path).exists() or not let_in(path)] == []
    assert not let_in(".venv") and not let_in("outputs")


def test_all_that_the_package_is_built_from_is_copied() -> None:
    """pyproject.toml names a readme and a licence, MANIFEST.in further files; setup.py looks for sources."""
    project = PYPROJECT["project"]
    wanted = {project["readme"], *project["license-files"], "pyproject.toml", "setup.py"}
    manifest = (ROOT / "MANIFEST.in").read_text("utf-8")
    for line in re.findall(r"^(?:include|graft) (.*)", manifest, re.M):
        wanted |= set(line.split())
    assert wanted - set(copied()) == set()


def test_it_installs_as_the_page_says() -> None:
    (line,) = [block.text.strip() for block in blocks(INSTALL) if block.comment == "<!-- pip: plain -->"]
    assert line in steps("RUN")
    (torch,) = re.findall(r"pip install (torch==\S+ --index-url \S+)", FILE.read_text("utf-8"))
    assert f"pip install {torch}\n" in INSTALL
    assert torch.split()[0] in (ROOT / "constraints.txt").read_text("utf-8").splitlines()


def test_the_variants_of_the_page_are_those_of_the_file() -> None:
    assert steps("ARG") == ["VARIANT=cpu"]
    (cases,) = (rest for rest in steps("RUN") if "case" in rest)
    known = re.findall(r"(\w+)\) pip", cases)
    assert known == ["cpu", "cuda"]
    assert set(re.findall(r"--build-arg VARIANT=(\w+)", INSTALL)) <= set(known)
    assert f"-f {FILE.relative_to(ROOT).as_posix()} " in INSTALL


def test_pythons_are_ones_that_the_project_takes() -> None:
    bases = steps("FROM")
    assert len({base.split()[0] for base in bases}) == 1
    (minor,) = {int(base.split(":3.")[1].split("-")[0]) for base in bases}
    assert PYPROJECT["project"]["requires-python"] == ">=3.10,<3.14" and 10 <= minor < 14


def test_runs_belong_to_a_user_and_outlive_the_container() -> None:
    last = [step for step, _ in STEPS][max(i for i, (step, _) in enumerate(STEPS) if step == "FROM") :]
    assert "USER" in last and last.index("USER") < last.index("ENTRYPOINT")
    assert steps("USER") == ["dreamlab"] and steps("ENTRYPOINT") == ['["dreamlab"]']
    assert steps("WORKDIR")[-1] == steps("VOLUME")[-1] == "/data"
    assert re.findall(r'-v "\$PWD:(\S+)"', INSTALL) == ["/data", "/data"]


def test_system_libraries_are_those_that_the_tests_fetch() -> None:
    fetched = (ROOT / "scripts" / "test").read_text("utf-8")
    (line,) = (rest for rest in steps("RUN") if "libegl1" in rest)
    asked = re.findall(r"\blib\w[\w-]*\b", line.split("&& rm")[0])
    assert [name for name in asked if name not in fetched] == ["libgomp1"]  # which g++ brings there


# ---- wheels ----


def test_wheels_are_built_by_one_list_of_settings() -> None:
    workflow = (ROOT / ".github" / "workflows" / "wheels.yml").read_text("utf-8")
    assert "pypa/cibuildwheel@" in workflow and "CIBW_" not in workflow
    settings = PYPROJECT["tool"]["cibuildwheel"]
    assert "--exclude libgomp.so.1" in settings["linux"]["repair-wheel-command"]
    (code,) = re.findall(r'python -c "(.*)"', settings["test-command"])
    exec(compile(code, "test-command", "exec"), {})  # here, as in an installed wheel


@pytest.mark.parametrize("tool", ["build", "twine", "check_wheel_contents", "auditwheel"])
def test_the_script_uses_what_its_extra_installs(tool: str) -> None:
    asked = PYPROJECT["project"]["optional-dependencies"]["release"]
    assert any(re.match(rf"{tool.replace('_', '-')}\b", line) for line in asked)
    assert f"-m {tool} " in (ROOT / "scripts" / "wheel").read_text("utf-8")
