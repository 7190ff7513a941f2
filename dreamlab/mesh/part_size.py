"""How large a thing is that is put to an object: by what both really are, or to fit its head."""

from __future__ import annotations

from dreamlab.core.errors import InputError
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.heights import top_region
from dreamlab.mesh.real_sizes import real_size
from dreamlab.mesh.scene_words import Relation

WORN = 1.1  # of the width of the top that it is worn on: how wide
TALLEST = 0.5  # of the object's longest side: what is worn
USUAL = 0.4  # of the object's longest side: of what nobody knows how large it is
BOUNDS = (0.1, 2.0)  # of the object's longest side: what else would not be seen, or dwarf it


def part_size(part: str, mesh: Mesh, onto: str, whole: Mesh, where: Relation) -> tuple[float, list[str]]:
    """The longest side of a part, of which a mesh of any size is there, beside or on an object of this
    prompt; and what is to be said of that.

    What is worn is as wide as the object's top, all else as large as the two really are to each other.
    """
    longest = float((whole.vertices.amax(0) - whole.vertices.amin(0)).max())
    if where == "worn":
        width = WORN * top_region(whole.vertices.double().numpy(), whole.faces.numpy())[1]
        sides = mesh.vertices.amax(0) - mesh.vertices.amin(0)
        across = float(sides[[0, 2]].mean())
        return min(width * float(sides.max()) / max(across, 1e-9), TALLEST * longest), []
    try:
        share = real_size(part) / real_size(onto)
    except InputError as error:
        return USUAL * longest, [f"{error.what}: it is {USUAL:g} times as large as the object"]
    low, high = BOUNDS
    kept = min(max(share, low), high)
    notes = [f"{part} is {share:.2g} times as large as {onto}: it is made {kept:g} times as large"]
    return kept * longest, notes if kept != share else []
