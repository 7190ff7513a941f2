"""Three nodes: a prompt or pictures become a mesh, a file becomes a mesh, a mesh becomes a file."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from dreamlab.api import Result, events
from dreamlab.cli.prior_option import prior_settings
from dreamlab.comfy.convert import comfy_mesh, mesh_from_comfy, pictures_from_comfy
from dreamlab.core.errors import InputError
from dreamlab.mesh.io.export import write
from dreamlab.mesh.io.load import load
from dreamlab.mesh.io.names import legal_name
from dreamlab.mesh.rework import rework
from dreamlab.mesh.surface.clean import SimplifyConfig
from dreamlab.pictures.config import ImageConfig
from dreamlab.pictures.option import image_settings
from dreamlab.run.events import Finished, Step
from dreamlab.run.pictures import suggested_prompt
from dreamlab.run.presets import parse_yaml, preset_names

FORMATS = ("glb", "obj", "stl", "ply", "3mf", "usdz")
CATEGORY = "3d/dreamlab"


class TextToMesh:
    """A run of dreamlab, in the folder of ComfyUI's outputs: the mesh, pictures of it from four sides, the
    GLB (with normal map and all) and the run's folder."""

    CATEGORY = CATEGORY
    FUNCTION = "make"
    RETURN_TYPES = ("MESH", "IMAGE", "STRING", "STRING")
    RETURN_NAMES = ("mesh", "pictures", "glb_path", "run_folder")
    DESCRIPTION = (
        "Text and pictures to 3D by score distillation. The embedded prior needs neither GPU nor downloads."
    )

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "prompt": ("STRING", {"default": "a red mushroom", "multiline": True}),
                "preset": (list(preset_names()), {"default": "default"}),
                "seed": ("INT", {"default": 0, "min": 0, "max": 2**32 - 1, "control_after_generate": True}),
            },
            "optional": {
                "prior": ("STRING", {"default": "", "tooltip": "a model; empty: the preset's own"}),
                "settings": (
                    "STRING",
                    {"default": "", "multiline": True, "tooltip": "such as stages.simplify.faces: 2000"},
                ),
                "image": ("IMAGE", {"tooltip": "pictures of it; without a prompt it is guessed"}),
                "mask": ("MASK", {"tooltip": "1 where a picture is clear, as Load Image has it"}),
                "cameras": (
                    "STRING",
                    {
                        "default": "",
                        "tooltip": "of each picture in degrees: 0; 90,10; empty: guessed",
                    },
                ),
            },
        }

    def make(
        self,
        prompt: str,
        preset: str,
        seed: int,
        prior: str = "",
        settings: str = "",
        image: torch.Tensor | None = None,
        mask: torch.Tensor | None = None,
        cameras: str = "",
    ) -> tuple[Any, torch.Tensor, str, str]:
        """Raises as `dreamlab.generate` does, and ConfigError for settings that are no YAML mapping."""
        chosen = {"seed": seed, **parse_yaml(settings, "what stands in settings")}
        if prior.strip():
            chosen["prior"] = prior_settings(prior.strip())
        tell, folder, prompt = _progress(), None, prompt.strip()
        with TemporaryDirectory() as scratch:  # the run has copies of its own
            if image is not None:
                chosen["images"] = _images(pictures_from_comfy(image, mask), cameras, Path(scratch))
                prompt = prompt or suggested_prompt(ImageConfig(**chosen["images"][0])).prompt
            for event in events(prompt, preset=preset, settings=chosen, out=_outputs()):
                if isinstance(event, Step):
                    tell(event.done, event.total)
                if isinstance(event, Finished):
                    folder = event.folder
        assert folder is not None  # the last event of a run that raised nothing
        result = Result(folder)
        pictures = result.render().float() / 255
        return comfy_mesh(result.mesh), pictures, str(result.files.get("glb", "")), str(folder)


def _images(pictures: list[bytes], cameras: str, folder: Path) -> list[dict[str, Any]]:
    """Settings of pictures, which are written to a folder; their cameras by ";", as `--image` has them."""
    said = [part.strip() for part in cameras.split(";")] if cameras.strip() else [""] * len(pictures)
    if len(said) != len(pictures):
        raise InputError(
            "cameras cannot be used",
            expected=f"as many as pictures, {len(pictures)}, with ; between them",
            got=str(len(said)),
        )
    found = []
    for number, (data, camera) in enumerate(zip(pictures, said, strict=True), 1):
        (folder / f"picture-{number}.png").write_bytes(data)
        found.append(image_settings(f"picture-{number}.png" + (f"@{camera}" if camera else ""), folder))
    return found


class LoadMesh:
    """A mesh from a file of any kind that dreamlab reads."""

    CATEGORY = CATEGORY
    FUNCTION = "load"
    RETURN_TYPES = ("MESH",)
    RETURN_NAMES = ("mesh",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"path": ("STRING", {"default": "model.glb"})}}

    @classmethod
    def IS_CHANGED(cls, path: str) -> float:
        """When the file was written: ComfyUI reads it again only then."""
        file = Path(path).expanduser()
        return file.stat().st_mtime if file.is_file() else float("nan")

    def load(self, path: str) -> tuple[Any]:
        """Raises as `dreamlab.mesh.io.load.load` does."""
        return (comfy_mesh(load(Path(path.strip()).expanduser())),)


class ExportMesh:
    """Meshes as files, lighter if wanted; numbered, in the folder of ComfyUI's outputs."""

    CATEGORY = CATEGORY
    FUNCTION = "export"
    OUTPUT_NODE = True
    RETURN_TYPES = ("STRING",)
    RETURN_NAMES = ("path",)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "mesh": ("MESH",),
                "name": ("STRING", {"default": "mesh"}),
                "format": (list(FORMATS), {"default": "glb"}),
                "faces": ("INT", {"default": 0, "min": 0, "max": 1_000_000, "tooltip": "at most; 0: all"}),
            }
        }

    def export(self, mesh: Any, name: str, format: str, faces: int = 0) -> dict[str, Any]:
        """Raises as `dreamlab.mesh.io.export.write` and `rework` do."""
        written = []
        for index in range(len(mesh.vertices)):
            one = mesh_from_comfy(mesh, index)
            if faces and len(one.faces) > faces:
                one = rework(one, SimplifyConfig(faces=max(faces, 4)))
            path = _free(_outputs(), legal_name(name), format)
            written += write(one, path, name=legal_name(name))[:1]
        shown = [{"filename": p.name, "subfolder": p.parent.name, "type": "output"} for p in written]
        return {"ui": {"3d": shown}, "result": ("\n".join(map(str, written)),)}


def _outputs() -> Path:
    """dreamlab's own folder in ComfyUI's outputs, or in the current one without it."""
    try:
        import folder_paths  # pyright: ignore[reportMissingImports]
    except ImportError:
        return Path("outputs")
    return Path(folder_paths.get_output_directory()) / "dreamlab"


def _free(folder: Path, name: str, kind: str) -> Path:
    """The first path of this name and a number that is not taken."""
    folder.mkdir(parents=True, exist_ok=True)
    taken = {path.name for path in folder.iterdir()}
    names = (f"{name}_{k:05}.{kind}" for k in count(1))
    return folder / next(n for n in names if n not in taken)


def _progress() -> Callable[[int, int], None]:
    """What shows steps in ComfyUI and stops where the user has pressed its button; nothing without it."""
    try:
        from comfy.model_management import (  # pyright: ignore[reportMissingImports]
            throw_exception_if_processing_interrupted,
        )
        from comfy.utils import ProgressBar  # pyright: ignore[reportMissingImports]
    except ImportError:
        return lambda done, total: None
    bars: dict[int, Any] = {}

    def tell(done: int, total: int) -> None:
        throw_exception_if_processing_interrupted()
        bars.setdefault(total, ProgressBar(total)).update_absolute(done, total)

    return tell
