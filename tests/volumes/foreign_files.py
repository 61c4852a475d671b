"""Images as other programs write them: every format of the contract, made without our own writers."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nibabel as nib
import npy2bdv
import numpy as np
import numpy.typing as npt
import tifffile
import z5py
import zarr
from pylibCZIrw import czi

Array = npt.NDArray[Any]
VOXEL_UM = (5.0, 2.0, 1.5)
"""z, y, x of every file that can say it."""


def write_hdf5_with_axistags(folder: Path, image: Array) -> Path:
    axes = ",".join(
        f'{{"key": "{a}", "typeFlags": 2, "resolution": {s}, "description": ""}}'
        for a, s in zip("zyx", VOXEL_UM, strict=True)
    )
    with h5py.File(folder / "brain.h5", "w") as file:
        dataset = file.create_dataset("volume/data", data=image, chunks=True, compression="gzip")
        dataset.attrs["axistags"] = f'{{"axes": [{axes}]}}'
        file.create_dataset("a_table", data=np.zeros((3, 3)))
    return folder / "brain.h5"


def write_hdf5_of_fiji(folder: Path, image: Array) -> Path:
    with h5py.File(folder / "brain.hdf5", "w") as file:
        dataset = file.create_dataset("data", data=image.astype(image.dtype.newbyteorder(">")))
        dataset.attrs["element_size_um"] = VOXEL_UM
    return folder / "brain.hdf5"


def write_imagej_tiff(folder: Path, image: Array) -> Path:
    # ImageJ knows these three types; others are saved by tifffile with the same metadata as OME.
    if image.dtype.name not in ("uint8", "uint16", "float32"):
        return write_ome_tiff(folder, image)
    z, y, x = VOXEL_UM
    tifffile.imwrite(
        folder / "brain.tif",
        image,
        imagej=True,
        resolution=(1 / x, 1 / y),
        metadata={"axes": "ZYX", "spacing": z, "unit": "micron"},
    )
    return folder / "brain.tif"


def _ome_metadata() -> dict[str, Any]:
    z, y, x = VOXEL_UM
    return {
        "axes": "ZYX",
        "PhysicalSizeZ": z / 1000,
        "PhysicalSizeZUnit": "mm",
        "PhysicalSizeY": y,
        "PhysicalSizeYUnit": "µm",
        "PhysicalSizeX": x * 1000,
        "PhysicalSizeXUnit": "nm",
    }


def write_ome_tiff(folder: Path, image: Array) -> Path:
    tifffile.imwrite(folder / "brain.ome.tif", image, metadata=_ome_metadata())
    return folder / "brain.ome.tif"


def write_tiled_compressed_big_tiff(folder: Path, image: Array) -> Path:
    tifffile.imwrite(
        folder / "brain.tiff",
        image,
        bigtiff=True,
        ome=True,
        tile=(16, 16),
        compression="zlib",
        predictor=True,
        metadata=_ome_metadata(),
    )
    return folder / "brain.tiff"


def write_big_endian_striped_tiff(folder: Path, image: Array) -> Path:
    tifffile.imwrite(
        folder / "brain.tif",
        image,
        byteorder=">",
        ome=True,
        rowsperstrip=7,
        compression="zlib",
        metadata=_ome_metadata(),
    )
    return folder / "brain.tif"


def _write_planes(folder: Path, image: Array, **options: Any) -> Path:
    stack = folder / "brain"
    stack.mkdir()
    z, y, x = VOXEL_UM
    for number, plane in enumerate(image):
        tifffile.imwrite(
            # 8, 9, 10: natural order is not alphabetical order.
            stack / f"my brain_UltraII[00 x 00]_C00_Z{number + 8}.ome.tif",
            plane,
            metadata={"axes": "YX", "PhysicalSizeZ": z, "PhysicalSizeY": y, "PhysicalSizeX": x},
            **options,
        )
    (stack / "Thumbs.db").write_bytes(b"junk")
    (stack / ".hidden_Z8.tif").write_bytes(b"junk")
    (stack / "settings.txt").write_text("exposure 20 ms")
    return stack


def write_plain_planes(folder: Path, image: Array) -> Path:
    return _write_planes(folder, image)


def write_compressed_planes(folder: Path, image: Array) -> Path:
    return _write_planes(folder, image, compression="lzw", rowsperstrip=9)


def _nifti(image: Array) -> nib.Nifti1Image:
    z, y, x = VOXEL_UM
    nifti = nib.Nifti1Image(image.transpose(), np.diag([x / 1000, y / 1000, z / 1000, 1.0]))
    nifti.header.set_xyzt_units("mm")
    return nifti


def write_nifti(folder: Path, image: Array) -> Path:
    nib.save(_nifti(image), folder / "brain.nii")
    return folder / "brain.nii"


def write_nifti_gz(folder: Path, image: Array) -> Path:
    nib.save(_nifti(image), folder / "brain.nii.gz")
    return folder / "brain.nii.gz"


def _write_ome_zarr(path: Path, image: Array, *, zarr_format: int) -> Path:
    z, y, x = VOXEL_UM
    group = zarr.open_group(path, mode="w", zarr_format=zarr_format)
    coarse = image[::2, ::2, ::2]
    encoding = {"name": "v2" if zarr_format == 2 else "default", "separator": "/"}
    for name, level in (("0", image), ("1", coarse)):
        array = group.create_array(
            name, shape=(1, *level.shape), dtype=level.dtype, chunks=(1, 16, 16, 16), chunk_key_encoding=encoding
        )
        array[0] = level
    multiscales = [
        {
            "axes": [
                {"name": "c", "type": "channel"},
                {"name": "z", "type": "space", "unit": "micrometer"},
                {"name": "y", "type": "space", "unit": "micrometer"},
                {"name": "x", "type": "space", "unit": "nanometer"},
            ],
            "datasets": [
                {
                    "path": str(level),
                    "coordinateTransformations": [
                        {"type": "scale", "scale": [1, z * 2**level, y * 2**level, 1000 * x * 2**level]}
                    ],
                }
                for level in (0, 1)
            ],
        }
    ]
    if zarr_format == 2:
        multiscales[0]["version"] = "0.4"
        group.attrs["multiscales"] = multiscales
    else:
        group.attrs["ome"] = {"version": "0.5", "multiscales": multiscales}
    return path


def write_ome_zarr_04(folder: Path, image: Array) -> Path:
    return _write_ome_zarr(folder / "brain.ome.zarr", image, zarr_format=2)


def write_ome_zarr_05(folder: Path, image: Array) -> Path:
    return _write_ome_zarr(folder / "brain.zarr", image, zarr_format=3)


def _letters(text: str) -> npt.NDArray[np.bytes_]:
    """An attribute as Imaris stores it."""
    return np.array([letter.encode() for letter in text], "S1")


def imaris_file(path: Path, image: Array, names: tuple[str, ...] = ("Cells",), padding: int = 16) -> Path:
    """(t, c, z, y, x) as Imaris 5.5 lays it out: two levels, arrays padded to whole chunks with what is no image."""
    size_um = [um * n for um, n in zip(VOXEL_UM, image.shape[2:], strict=True)]
    with h5py.File(path, "w") as file:
        file.attrs["ImarisVersion"] = _letters("5.5.0")
        info = file.create_group("DataSetInfo/Image").attrs
        for number, (axis, extent, size) in enumerate(zip("XYZ", image.shape[:1:-1], reversed(size_um), strict=True)):
            info[axis] = _letters(str(extent))
            info[f"ExtMin{number}"] = _letters("-10.5")
            info[f"ExtMax{number}"] = _letters(f"{size - 10.5:.6f}")
        info["Unit"] = _letters("um")
        for number, name in enumerate(names):
            file.create_group(f"DataSetInfo/Channel {number}").attrs["Name"] = _letters(name)
        for level in (0, 1):
            coarse = image[:, :, :: 2**level, :: 2**level, :: 2**level]
            padded = [-(-n // padding) * padding for n in coarse.shape[2:]]
            for t, frame in enumerate(coarse):
                for c, channel in enumerate(frame):
                    group = file.create_group(f"DataSet/ResolutionLevel {level}/TimePoint {t}/Channel {c}")
                    for axis, extent in zip("ZYX", channel.shape, strict=True):
                        group.attrs[f"ImageSize{axis}"] = _letters(str(extent))
                    data = np.full(padded, 77, image.dtype)
                    data[tuple(slice(0, n) for n in channel.shape)] = channel
                    group.create_dataset("Data", data=data, chunks=(padding,) * 3, compression="gzip")
                    group.create_dataset("Histogram", data=np.zeros(256, "uint64"))
    return path


def write_imaris(folder: Path, image: Array) -> Path:
    return imaris_file(folder / "brain.ims", image[None, None])


def bigdataviewer_files(path: Path, image: Array, names: tuple[str, ...] = ("Cells",)) -> Path:
    """(t, c, z, y, x) as npy2bdv writes it, in two levels: uint16 becomes BigDataViewer's int16."""
    frames, channels = image.shape[:2]
    writer = npy2bdv.BdvWriter(
        str(path.with_suffix(".h5")),
        nchannels=channels,
        subsamp=((1, 1, 1), (2, 2, 2)),
        blockdim=((8, 16, 16), (8, 16, 16)),
        compression="gzip",
        dtype=image.dtype.name,
    )
    writer.set_attribute_labels("channel", names)
    for t in range(frames):
        for c in range(channels):
            writer.append_view(image[t, c], time=t, channel=c, voxel_size_xyz=VOXEL_UM[::-1], voxel_units="um")
    writer.write_xml()
    writer.close()
    return path.with_suffix(".xml")


def write_bigdataviewer_hdf5(folder: Path, image: Array) -> Path:
    return bigdataviewer_files(folder / "brain.xml", image[None, None])


_BIGDATAVIEWER_XML = """<?xml version="1.0" encoding="UTF-8"?>
<SpimData version="0.2">
  <BasePath type="relative">.</BasePath>
  <SequenceDescription>
    <ImageLoader format="bdv.n5" version="1.0"><n5 type="relative">brain.n5</n5></ImageLoader>
    <ViewSetups>
      <ViewSetup>
        <id>0</id><name>setup 0</name>
        <size>{size}</size>
        <voxelSize><unit>micrometer</unit><size>{voxel}</size></voxelSize>
        <attributes><illumination>0</illumination><channel>0</channel><tile>0</tile><angle>0</angle></attributes>
      </ViewSetup>
      <Attributes name="channel"><Channel><id>0</id><name>0</name></Channel></Attributes>
    </ViewSetups>
    <Timepoints type="pattern"><integerpattern>3</integerpattern></Timepoints>
  </SequenceDescription>
</SpimData>"""
"""As BigStitcher resaves to N5."""


def write_bigdataviewer_n5(folder: Path, image: Array) -> Path:
    with z5py.File(str(folder / "brain.n5"), mode="w", use_zarr_format=False) as file:
        for level in (0, 1):
            coarse = image[:: 2**level, :: 2**level, :: 2**level]
            file.create_dataset(f"setup0/timepoint3/s{level}", data=coarse, chunks=(16, 16, 16), compression="gzip")
        file["setup0"].attrs["downsamplingFactors"] = [[1, 1, 1], [2, 2, 2]]
    size, voxel = (" ".join(str(n) for n in reversed(numbers)) for numbers in (image.shape, VOXEL_UM))
    (folder / "brain.xml").write_text(_BIGDATAVIEWER_XML.format(size=size, voxel=voxel))
    return folder / "brain.xml"


def _write_n5(folder: Path, image: Array, compression: str) -> Path:
    with z5py.File(str(folder / "brain.n5"), mode="w", use_zarr_format=False) as file:
        dataset = file.create_dataset("volume/raw", data=image, chunks=(16, 16, 16), compression=compression)
        dataset.attrs["pixelResolution"] = {"unit": "um", "dimensions": list(VOXEL_UM[::-1])}
    return folder / "brain.n5"


def write_n5(folder: Path, image: Array) -> Path:
    return _write_n5(folder, image, "gzip")


def write_n5_blosc(folder: Path, image: Array) -> Path:
    return _write_n5(folder, image, "blosc")


def write_n5_pyramid(folder: Path, image: Array) -> Path:
    with z5py.File(str(folder / "brain.n5"), mode="w", use_zarr_format=False) as file:
        for level in (0, 1):
            coarse = image[:: 2**level, :: 2**level, :: 2**level]
            dataset = file.create_dataset(f"s{level}", data=coarse, chunks=(8, 16, 16), compression="raw")
            dataset.attrs["downsamplingFactors"] = [2**level] * 3
    attributes = json.loads((folder / "brain.n5" / "attributes.json").read_text())
    attributes["pixelResolution"] = {"unit": "micrometer", "dimensions": list(VOXEL_UM[::-1])}
    (folder / "brain.n5" / "attributes.json").write_text(json.dumps(attributes))
    return folder / "brain.n5"


def czi_file(path: Path, image: Array, names: tuple[str, ...] = ("Cells",), *, scenes: int = 1) -> Path:
    """(t, c, z, y, x) as Zeiss's library writes it; further scenes lie to the right and are upside down."""
    with czi.create_czi(str(path), exist_ok=True) as file:
        for t, c, z in np.ndindex(image.shape[:3]):
            for scene in range(scenes):
                file.write(
                    np.ascontiguousarray(image[t, c, z][:: -1 if scene else 1]),
                    location=(-20 + 100 * scene, 7),
                    plane={"T": t, "C": c, "Z": z},
                    **({"scene": scene} if scenes > 1 else {}),
                )
        metres = dict(zip(("scale_z", "scale_y", "scale_x"), (um * 1e-6 for um in VOXEL_UM), strict=True))
        file.write_metadata("brain", channel_names=dict(enumerate(names)), **metres)
    return path


def write_czi(folder: Path, image: Array) -> Path:
    return czi_file(folder / "brain.czi", image[None, None])


def lif_file(path: Path, images: dict[str, Array], names: tuple[str, ...] = ("Green",)) -> Path:
    """Each (t, z, c, y, x) laid out as Leica does: a header of UTF-16 XML, then a block of voxels for each image.

    Leica: "LIF File Format Description"; every piece begins with 0x70 and its length, every part of it with 0x2A.
    """
    elements = []
    for number, (name, image) in enumerate(images.items()):
        size = image.itemsize
        strides = dict(zip("tzcyx", (stride for stride in np.ascontiguousarray(image).strides), strict=True))
        channels = "".join(
            f'<ChannelDescription DataType="{int(image.dtype.kind == "f")}" ChannelTag="0" Resolution="{8 * size}" '
            f'NameOfMeasuredQuantity="" Min="0" Max="255" Unit="" LUTName="{label}" IsLUTInverted="0" '
            f'BytesInc="{c * strides["c"]}" BitInc="0"/>'
            for c, label in enumerate(names)
        )
        dimensions = "".join(
            f'<DimensionDescription DimID="{number}" NumberOfElements="{n}" Origin="0" '
            f'Length="{um * 1e-6 * (n - 1)}" Unit="{unit}" BytesInc="{strides[axis]}" BitInc="0"/>'
            for number, axis, n, um, unit in (
                (1, "x", image.shape[4], VOXEL_UM[2], "m"),
                (2, "y", image.shape[3], VOXEL_UM[1], "m"),
                (3, "z", image.shape[1], VOXEL_UM[0], "m"),
                (4, "t", image.shape[0], 1.0, "s"),
            )
            if n > 1
        )
        elements.append(
            f'<Element Name="{name}" Visibility="1" UniqueID="{number}"><Data><Image><ImageDescription>'
            f"<Channels>{channels}</Channels><Dimensions>{dimensions}</Dimensions></ImageDescription></Image></Data>"
            f'<Memory Size="{image.nbytes}" MemoryBlockID="MemBlock_{number}"/><Children/></Element>'
        )
    xml = (
        '<LMSDataContainerHeader Version="2"><Element Name="brain" Visibility="1" UniqueID="x"><Data>'
        f'<Experiment/></Data><Memory Size="0" MemoryBlockID="MemBlock_x"/><Children>{"".join(elements)}</Children>'
        "</Element></LMSDataContainerHeader>"
    )
    with path.open("wb") as file:
        file.write(struct.pack("<IIBI", 0x70, 2 * len(xml) + 5, 0x2A, len(xml)) + xml.encode("utf-16-le"))
        for number, image in enumerate(images.values()):
            identity = f"MemBlock_{number}"
            head = struct.pack("<BQBI", 0x2A, image.nbytes, 0x2A, len(identity)) + identity.encode("utf-16-le")
            file.write(struct.pack("<II", 0x70, len(head)) + head + image.tobytes())
    return path


def write_lif(folder: Path, image: Array) -> Path:
    return lif_file(folder / "brain.lif", {"Series001": image[None, :, None]})


FOREIGN_DTYPES: dict[Callable[[Path, Array], Path], tuple[str, ...]] = {
    write_bigdataviewer_hdf5: ("uint8", "uint16", "float32"),
    write_czi: ("uint8", "uint16", "float32"),
    write_lif: ("uint8", "uint16", "uint32", "float32"),
}
"""Voxel types of the formats that don't have all of them."""

FOREIGN_WRITERS: tuple[Callable[[Path, Array], Path], ...] = (
    write_hdf5_with_axistags,
    write_hdf5_of_fiji,
    write_imagej_tiff,
    write_ome_tiff,
    write_tiled_compressed_big_tiff,
    write_big_endian_striped_tiff,
    write_plain_planes,
    write_compressed_planes,
    write_nifti,
    write_nifti_gz,
    write_ome_zarr_04,
    write_ome_zarr_05,
    write_imaris,
    write_bigdataviewer_hdf5,
    write_bigdataviewer_n5,
    write_n5,
    write_n5_blosc,
    write_n5_pyramid,
    write_czi,
    write_lif,
)


def noise(shape: tuple[int, ...], dtype: str, seed: int = 0) -> Array:
    """An image in which no two places are likely to be confused, with the extreme values of its type."""
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        return rng.normal(0, 1e3, shape).astype(dtype)
    limits = np.iinfo(dtype)
    image = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    image.flat[0], image.flat[-1] = limits.min, limits.max
    return image
