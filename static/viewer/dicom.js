// A DICOM series of files from a folder, as a volume in Hounsfield units (see metaimage.js for its form).
"use strict";

(() => {
  const subtract = (a, b) => a.map((value, i) => value - b[i]);
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
  const length = (a) => Math.sqrt(dot(a, a));

  // Return the images of the series with most slices: a folder often holds a localiser and a report beside the scan.
  const largestSeries = async (files) => {
    const series = new Map();
    for (const file of files) {
      let image = null;
      try {
        image = window.daikon.Series.parseImage(new DataView(await file.arrayBuffer()));
      } catch {
        image = null; // not DICOM: a DICOMDIR, a viewer's own files
      }
      if (!image || !image.hasPixelData() || !image.getImagePosition()) continue;
      const uid = image.getSeriesInstanceUID() || "none";
      if (!series.has(uid)) series.set(uid, []);
      series.get(uid).push(image);
    }
    const found = [...series.values()].sort((a, b) => b.length - a.length)[0];
    if (!found || found.length < 2) throw new Error("There is no CT series of two or more slices in this folder.");
    return found;
  };

  // A tilted gantry moves each slice sideways, along the slice before it: no MetaImage holds that, and ITK makes it straight.
  const MOST_SIDEWAYS = 0.01;

  const refuseTilted = (images, normal) => {
    const way = subtract(images[images.length - 1].getImagePosition(), images[0].getImagePosition());
    if (length(cross(way, normal)) > MOST_SIDEWAYS * length(way)) {
      throw new Error("The gantry was tilted, so its slices do not stack straight up: convert the folder with dcm2niix, and open "
        + "the file that it corrected for the tilt (its name ends in _Tilt).");
    }
  };

  // Metal may lie above 32767 in an extended scale: denser than all else, where an array would make it negative.
  const toInt16 = (value) => Math.max(-32768, Math.min(32767, Math.round(value)));

  const toVolume = async (files) => {
    const images = await largestSeries(files);
    const directions = images[0].getImageDirections();
    const [row, column] = [directions.slice(0, 3), directions.slice(3, 6)];
    const normal = cross(row, column);
    images.sort((a, b) => dot(a.getImagePosition(), normal) - dot(b.getImagePosition(), normal));
    refuseTilted(images, normal);
    const [rows, columns] = [images[0].getRows(), images[0].getCols()];
    const first = images[0].getImagePosition();
    const steps = images.slice(1).map((image, i) => length(subtract(image.getImagePosition(), images[i].getImagePosition())));
    const step = steps.reduce((sum, value) => sum + value, 0) / steps.length;
    if (steps.some((value) => Math.abs(value - step) > 0.1 * step + 0.01)) {
      throw new Error("The slices of this series are not equally far apart; a slice is missing or there twice.");
    }
    const values = new Int16Array(rows * columns * images.length);
    images.forEach((image, z) => {
      if (image.getRows() !== rows || image.getCols() !== columns) throw new Error("The slices differ in size.");
      const { data } = image.getInterpretedData(true, true);
      for (let i = 0; i < data.length; i += 1) values[z * rows * columns + i] = toInt16(data[i]);
    });
    const [rowSpacing, columnSpacing] = images[0].getPixelSpacing();
    return {
      size: [columns, rows, images.length],
      spacing: [columnSpacing, rowSpacing, step],
      origin: first,
      axes: [row, column, normal],
      values,
    };
  };

  window.lunasiteDicom = { toVolume };
})();
