"""Distillation methods: one file each, all behind dreamlab.types.Guidance. GuidanceConfig is the list of
them.
"""

from __future__ import annotations

from dreamlab.guidance.sds import SDSConfig

GuidanceConfig = SDSConfig

__all__ = ["GuidanceConfig", "SDSConfig"]
