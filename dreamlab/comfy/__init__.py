"""Nodes for ComfyUI. A file in its folder custom_nodes with one line makes them known:

from dreamlab.comfy import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
"""

from __future__ import annotations

from dreamlab.comfy.nodes import ExportMesh, LoadMesh, TextToMesh

NODE_CLASS_MAPPINGS = {
    "DreamlabTextToMesh": TextToMesh,
    "DreamlabLoadMesh": LoadMesh,
    "DreamlabExportMesh": ExportMesh,
}
NODE_DISPLAY_NAME_MAPPINGS = {
    "DreamlabTextToMesh": "Text to Mesh (dreamlab)",
    "DreamlabLoadMesh": "Load Mesh (dreamlab)",
    "DreamlabExportMesh": "Export Mesh (dreamlab)",
}
__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
