"""USDZ through usd-core, for AR Quick Look: +Y up, metres, a UsdPreviewSurface with the numbers of the
material and the textures of the mesh."""

# usd-core is an extra, and its stubs miss half of it: nothing of it can be checked here
# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportCallIssue=false

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from dreamlab.core.errors import UnavailableError
from dreamlab.core.files import write_atomic
from dreamlab.core.types import Mesh
from dreamlab.mesh.geometry.color import srgb_to_linear, texture_of, vertex_colors
from dreamlab.mesh.geometry.shape import normals_of
from dreamlab.mesh.io.encode import SUFFIXES, TextureFormat, encoded
from dreamlab.mesh.io.names import prim_name


def write_usdz(mesh: Mesh, path: Path, name: str = "object", textures: TextureFormat = "png") -> None:
    """Write a USDZ package of an object of this name: /name, with /name/name_mesh and /name/name_material.

    UnavailableError without usd-core, which is an optional extra (200 MB).
    """
    try:
        from pxr import Sdf, UsdUtils
    except ImportError as error:
        raise UnavailableError(
            "USDZ needs usd-core, which is not installed", mend="pip install 'dreamlab[usd]', or export GLB"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        source, package = Path(folder) / "model.usdc", Path(folder) / "model.usdz"
        _write_stage(mesh, source, prim_name(name), textures)
        UsdUtils.CreateNewARKitUsdzPackage(Sdf.AssetPath(str(source)), str(package))
        write_atomic(path, package.read_bytes())


def _write_stage(mesh: Mesh, source: Path, name: str, textures: TextureFormat) -> None:
    from pxr import Gf, Usd, UsdGeom, UsdShade, Vt

    stage = Usd.Stage.CreateNew(str(source))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    root = UsdGeom.Xform.Define(stage, f"/{name}")
    stage.SetDefaultPrim(root.GetPrim())
    shape = UsdGeom.Mesh.Define(stage, f"/{name}/{name}_mesh")
    shape.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(mesh.vertices.numpy().astype(np.float32)))
    shape.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(normals_of(mesh).astype(np.float32)))
    shape.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    shape.CreateFaceVertexCountsAttr(Vt.IntArray.FromNumpy(np.full(len(mesh.faces), 3, dtype=np.int32)))
    shape.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(mesh.faces.numpy().reshape(-1).astype(np.int32)))
    shape.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    low, high = mesh.vertices.amin(0).tolist(), mesh.vertices.amax(0).tolist()
    shape.CreateExtentAttr([Gf.Vec3f(*low), Gf.Vec3f(*high)])
    material = _material(stage, shape, mesh, source.parent / name, textures)
    UsdShade.MaterialBindingAPI.Apply(shape.GetPrim()).Bind(material)
    stage.GetRootLayer().Save()


def _material(stage: Any, shape: Any, mesh: Mesh, files: Path, textures: TextureFormat) -> Any:
    """A UsdPreviewSurface with the mesh's textures, files that begin as `files` does, or its vertex colours.
    What lets light through is transparent by as much: the surface has no other word for it."""
    from pxr import Gf, Sdf, UsdGeom, UsdShade, Vt

    base = f"/{files.name}/{files.name}_material"
    material = UsdShade.Material.Define(stage, base)
    shader = UsdShade.Shader.Define(stage, f"{base}/preview")
    shader.CreateIdAttr("UsdPreviewSurface")
    how = mesh.material
    metallic = shader.CreateInput("metallic", Sdf.ValueTypeNames.Float)
    metallic.Set(how.metallic)
    roughness = shader.CreateInput("roughness", Sdf.ValueTypeNames.Float)
    roughness.Set(how.roughness)
    if how.transmission:
        shader.CreateInput("opacity", Sdf.ValueTypeNames.Float).Set(1.0 - how.transmission)
    diffuse = shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f)
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    albedo, colors, bumps = texture_of(mesh, "albedo"), vertex_colors(mesh), texture_of(mesh, "normal")
    shares = texture_of(mesh, "metallic_roughness")
    reader = UsdShade.Shader.Define(stage, f"{base}/reader")
    if mesh.uv is not None and mesh.textures:
        st = UsdGeom.PrimvarsAPI(shape).CreatePrimvar(
            "st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex
        )
        st.Set(Vt.Vec2fArray.FromNumpy(mesh.uv.numpy().astype(np.float32)))
        reader.CreateIdAttr("UsdPrimvarReader_float2")
        reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
        where = reader.CreateOutput("result", Sdf.ValueTypeNames.Float2)

        def read(name: str, space: str, image: np.ndarray) -> Any:
            data, mime = encoded(image, textures, exact=name != "albedo")
            picture = files.with_name(f"{files.name}_{name}.{SUFFIXES[mime]}")
            picture.write_bytes(data)
            texture = UsdShade.Shader.Define(stage, f"{base}/{name}")
            texture.CreateIdAttr("UsdUVTexture")
            texture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(f"./{picture.name}")
            texture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set(space)
            texture.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(where)
            if how.wrap != ("clamp", "clamp"):
                for name, wrap in zip(("wrapS", "wrapT"), how.wrap, strict=True):
                    texture.CreateInput(name, Sdf.ValueTypeNames.Token).Set(wrap)
            return texture

        if albedo is not None:
            texture = read("albedo", "sRGB", albedo)
            diffuse.ConnectToSource(texture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3))
        if bumps is not None:
            texture = read("normal", "raw", bumps)
            for name, value in (("scale", (2, 2, 2, 1)), ("bias", (-1, -1, -1, 0))):
                texture.CreateInput(name, Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(*value))
            shader.CreateInput("normal", Sdf.ValueTypeNames.Normal3f).ConnectToSource(
                texture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3)
            )
        if shares is not None:
            texture = read("metallic_roughness", "raw", shares)
            scale = Gf.Vec4f(1, how.roughness, how.metallic, 1)
            texture.CreateInput("scale", Sdf.ValueTypeNames.Float4).Set(scale)
            for channel, into in (("g", roughness), ("b", metallic)):
                into.ConnectToSource(texture.CreateOutput(channel, Sdf.ValueTypeNames.Float))
    elif colors is not None:
        shape.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex).Set(
            Vt.Vec3fArray.FromNumpy(srgb_to_linear(colors).astype(np.float32))
        )
        reader.CreateIdAttr("UsdPrimvarReader_float3")
        reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("displayColor")
        diffuse.ConnectToSource(reader.CreateOutput("result", Sdf.ValueTypeNames.Float3))
    return material
