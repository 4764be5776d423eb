// A volume in memory, and its form as MetaImage (.mha). Coordinates are LPS millimetres, as in ITK.
"use strict";

(() => {
  const TYPES = {
    Int8Array: "MET_CHAR", Uint8Array: "MET_UCHAR", Int16Array: "MET_SHORT", Uint16Array: "MET_USHORT",
    Int32Array: "MET_INT", Uint32Array: "MET_UINT", Float32Array: "MET_FLOAT", Float64Array: "MET_DOUBLE",
  };

  // volume: {size: [x, y, z], spacing: [x, y, z] in mm, origin: LPS mm of the first voxel's middle,
  //          axes: three unit vectors in LPS, one for each index axis, values: typed array, x fastest}
  const header = (volume, compressedBytes) => [
    "ObjectType = Image",
    "NDims = 3",
    "BinaryData = True",
    "BinaryDataByteOrderMSB = False",
    "CompressedData = True",
    `CompressedDataSize = ${compressedBytes}`,
    `TransformMatrix = ${volume.axes.flat().join(" ")}`,
    `Offset = ${volume.origin.join(" ")}`,
    "CenterOfRotation = 0 0 0",
    `ElementSpacing = ${volume.spacing.join(" ")}`,
    `DimSize = ${volume.size.join(" ")}`,
    `ElementType = ${TYPES[volume.values.constructor.name]}`,
    "ElementDataFile = LOCAL",
    "",
  ].join("\n");

  // Return the volume as a File. CompressionStream's "deflate" is zlib's format, as MetaImage wants it.
  const asMha = async (volume, name) => {
    const { buffer, byteOffset, byteLength } = volume.values;
    const raw = new Blob([new Uint8Array(buffer, byteOffset, byteLength)]);
    const packed = await new Response(raw.stream().pipeThrough(new CompressionStream("deflate"))).blob();
    return new File([header(volume, packed.size), packed], name, { type: "application/octet-stream" });
  };

  window.lunasiteMetaImage = { asMha };
})();
