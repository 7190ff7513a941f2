from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dreamlab.run.presets import preset_names

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONSTRAINTS = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
TOOLS = {"dev", "docs", "release"}  # extras of programs, which dreamlab itself does not import


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def names(requirements: list[str]) -> set[str]:
    return {canonical(re.split(r"[\s<>=!~;\[]", line)[0]) for line in requirements if line and line[0] != "#"}


def test_every_package_is_listed() -> None:
    found = {".".join(p.parent.relative_to(ROOT).parts) for p in (ROOT / "dreamlab").rglob("*.py")}
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == found | {"dreamlab.configs"}


def test_every_dependency_is_pinned_exactly() -> None:
    project = PYPROJECT["project"]
    wanted = names(project["dependencies"]).union(
        *(names(project["optional-dependencies"][extra]) for extra in sorted(TOOLS))
    )
    assert wanted - names(CONSTRAINTS) == set()
    for line in CONSTRAINTS:
        assert line.startswith("#") or re.fullmatch(
            r"[a-z0-9-]+==[0-9][\w.]*(; python_version [<>=]+ \"3\.\d+\")?", line
        )


# What another package loads for us: the dependency, and the module that dreamlab imports for its sake.
THROUGH_ANOTHER = {
    "accelerate": "diffusers",  # weights go straight to their place, without a second copy in memory
    "embreex": "trimesh.ray.ray_pyembree",
    "lxml": "trimesh",  # 3MF and COLLADA
    "usd-core": "pxr",
    "ninja": "nerfacc.grid",  # compiles its CUDA kernels
    "tensorboard": "torch.utils.tensorboard",
    "s3fs": "fsspec.core",  # s3:// of --storage
}
MODULES = {
    "pyyaml": "yaml",
    "pillow": "PIL",
    "scikit-image": "skimage",
    "pyrender2": "pyrender",
    "libigl": "igl",
}


def imported() -> set[str]:
    """Every module that dreamlab imports anywhere, and the packages above it."""
    found: set[str] = set()
    for path in (ROOT / "dreamlab").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
                found |= {arg.value for arg in node.args if isinstance(arg, ast.Constant)}
    return found | {name.rsplit(".", k)[0] for name in found for k in range(1, name.count(".") + 1)}


def needless(requirements: list[str], modules: set[str]) -> set[str]:
    """The requirements of which no module is imported."""
    return {
        name
        for name in names(requirements)
        if (THROUGH_ANOTHER.get(name) or MODULES.get(name) or name.replace("-", "_")).lower()
        not in {module.lower() for module in modules}
    }


def test_every_dependency_is_imported_somewhere() -> None:
    extras = PYPROJECT["project"]["optional-dependencies"]
    asked = [*PYPROJECT["project"]["dependencies"], *(r for e in extras if e not in TOOLS for r in extras[e])]
    assert needless(asked, imported()) == set()


def test_a_dependency_that_nothing_imports_is_noticed() -> None:
    assert needless(["xatlas>=0.0.9", "numpy"], imported()) == {"xatlas"}
    assert needless(["embreex"], {"trimesh"}) == {"embreex"}


def test_torch_has_one_pin_for_all() -> None:
    assert [line for line in CONSTRAINTS if line.startswith("torch==")] == ["torch==2.13.0"]


def test_the_original_pyrender_is_never_asked_for_beside_its_fork() -> None:
    assert "pyrender" not in names(PYPROJECT["project"]["dependencies"]) | names(CONSTRAINTS)


@pytest.mark.parametrize("name", ["run", "test", "gpu_check", "docs", "wheel"])
def test_scripts_are_executable_and_parse(name: str) -> None:
    path = ROOT / "scripts" / name
    assert os.access(path, os.X_OK)
    assert subprocess.run(["bash", "-n", str(path)]).returncode == 0


def copy_of_scripts(folder: Path) -> Path:
    """A project of scripts only, so that no real .venv is touched."""
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    for name in ("pyproject.toml", "constraints.txt", "setup.py"):
        shutil.copy(ROOT / name, folder)
    return folder


def fake_python(folder: Path, suitable: bool) -> Path:
    """A python3 that says whether it is suitable, and makes environments whose pip notes its arguments."""
    folder.mkdir()
    script = folder / "python3"
    venv_python = '#!/bin/sh\\n[ "$1" = -m ] && echo "$@" >> "$(dirname "$0")/../../pip.log"\\nexit 0\\n'
    script.write_text(
        f"""#!/bin/sh
case "$*" in
    --version) echo "Python 3.99.0" ;;
    *ensurepip*) exit {0 if suitable else 1} ;;
    *"-m venv"*) for last; do :; done
        mkdir -p "$last/bin"
        printf '{venv_python}' > "$last/bin/python"
        printf '#!/bin/sh\\necho "dreamlab got: $*"\\n' > "$last/bin/dreamlab"
        chmod +x "$last/bin/python" "$last/bin/dreamlab" ;;
esac
"""
    )
    script.chmod(0o755)
    for tool in (
        "dirname",
        "cat",
        "cksum",
        "find",
        "sort",
        "xargs",
        "id",
        "bash",
        "sh",
        "mkdir",
        "chmod",
        "rm",
        "env",
    ):
        (folder / tool).symlink_to(shutil.which(tool) or "/bin/false")
    return folder


def run_script(project: Path, path: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(path), "HOME": str(cwd)}
    line = ["bash", str(project / "scripts" / "run"), *arguments]
    return subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True)


def test_an_unsuitable_python_is_refused_in_plain_words(tmp_path: Path) -> None:
    project = copy_of_scripts(tmp_path / "project")
    done = run_script(project, fake_python(tmp_path / "bin", suitable=False), "a cat", cwd=tmp_path)
    assert done.returncode != 0 and "needs Python 3.10 to 3.13" in done.stderr and "3.99" in done.stderr
    assert not (project / ".venv").exists()


def test_scripts_install_once_and_again_only_when_something_changed(tmp_path: Path) -> None:
    project = copy_of_scripts(tmp_path / "project")
    path = fake_python(tmp_path / "bin", suitable=True)
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()

    def installs() -> int:
        done = run_script(project, path, "a red mushroom", "--quiet", cwd=elsewhere)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "dreamlab got: run a red mushroom --quiet\n"
        return len((project / "pip.log").read_text().splitlines())

    assert (installs(), installs()) == (1, 1)
    assert "--constraint" in (project / "pip.log").read_text()
    with (project / "constraints.txt").open("a") as file:
        file.write("# changed\n")
    assert installs() == 2
    kernel = project / "dreamlab" / "ops" / "csrc" / "new.cpp"
    kernel.parent.mkdir(parents=True)
    kernel.write_text("// changed\n")
    assert installs() == 3


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([], ["-m", "not slow"]),
        (["-m", "slow"], ["-m", "slow"]),
        (["tests/test_config.py"], ["tests/test_config.py"]),
    ],
)
def test_slow_tests_are_left_out_only_where_nothing_is_asked(
    tmp_path: Path, given: list[str], wanted: list[str]
) -> None:
    project = copy_of_scripts(tmp_path / "project")
    path = fake_python(tmp_path / "bin", suitable=True)
    line = ["bash", str(project / "scripts" / "test"), *given]
    environment = {"PATH": str(path), "HOME": str(tmp_path)}
    done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (project / "pip.log").read_text().splitlines()[-1] == " ".join(["-m pytest -n 2", *wanted])
    assert ("marked slow are left out" in done.stderr) == (not given), done.stderr


@pytest.mark.slow
def test_an_installed_wheel_has_presets_weights_pages_and_the_command(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(
        ROOT,
        source,
        ignore=shutil.ignore_patterns(".venv", ".git", "outputs", "training", "build", "tests", "*.egg-info"),
    )
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(tmp_path),
        str(source),
    ]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    (wheel,) = tmp_path.glob("*.whl")
    inside = zipfile.ZipFile(wheel).namelist()
    assert {f"dreamlab/configs/{name}.yaml" for name in preset_names()} <= set(inside)
    assert "dreamlab/py.typed" in inside and "dreamlab/views/page/report.html" in inside
    assert {p.name for p in (ROOT / "dreamlab/weights").glob("*")} <= {Path(name).name for name in inside}
    assert not [name for name in inside if not name.startswith("dreamlab")]

    target = tmp_path / "installed"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--target",
        str(target),
        str(wheel),
    ]
    subprocess.run(install, check=True)
    environment = os.environ | {"PYTHONPATH": str(target)}
    code = "import dreamlab, dreamlab.run.presets as p; print(dreamlab.__file__, *p.preset_names())"
    output = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert Path(output[0]).is_relative_to(target) and output[1:] == preset_names()
    helped = subprocess.run(
        [str(target / "bin" / "dreamlab"), "run", "--help"], env=environment, capture_output=True, text=True
    )
    assert helped.returncode == 0 and "quality" in helped.stdout
