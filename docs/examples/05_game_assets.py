"""A folder for a game engine: levels of detail, collision hulls, and what they cost."""

import json
from pathlib import Path

from dreamlab.cli import main

folder = Path("mushroom-godot")
code = main(["export", "1", "--game", "godot", "--lods", "3", "--hulls", "4", "--to", str(folder)])
assert code == 0, "what went wrong has been said"

budget = json.loads((folder / "budget.json").read_text())
print(budget["size_in_metres"], "m")
for level in budget["levels"]:
    print(f"level {level['level']}: {level['faces']} faces, {level['vertices']} vertices")
