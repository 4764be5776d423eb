// The CT viewer: scroll, three planes, windows, zoom, distances, and a click that says where.
//
//   <div data-viewer data-niivue="…/niivue.umd.js" data-metaimage="…" data-dicom="…" data-daikon="…"
//        [data-volume="URL of a volume" data-point="x,y,z" data-voxels="how many" data-bytes="how long"] [data-file="#id of a file field" data-fields="#x,#y,#z"]>
//
// Coordinates on the page are LPS millimetres, as in ITK; NiiVue's are RAS. Libraries come when a scan is first opened.
"use strict";

(() => {
  const WINDOWS = { Lung: [-600, 1500], Mediastinum: [40, 400], Bone: [400, 1800] };
  const PLANES = { "Three planes": "MULTIPLANAR", Axial: "AXIAL", Coronal: "CORONAL", Sagittal: "SAGITTAL" };
  const OPENED_AS_IS = /\.mha$/i;
  const CONVERTED = /\.(nii|nii\.gz|nrrd)$/i;
  const flip = ([x, y, z]) => [-x, -y, z];
  // Without a graphics card each voxel costs microseconds, again at every change of the window: a whole chest takes
  // minutes, in which the page answers nothing.
  const SOFTWARE = /swiftshader|llvmpipe|softpipe|software|basic render/i;
  const SOFTWARE_VOXELS = 1e6;
  const KNOWN_TYPES = new Set("Int8 Uint8 Int16 Uint16 Int32 Uint32 Float32 Float64".split(" ").map((name) => `${name}Array`));

  // Return what the browser draws with: the most voxels that are shown at once, and along one axis; null without WebGL 2.
  const renderer = () => {
    const gl = document.createElement("canvas").getContext("webgl2");
    if (!gl) return null;
    const named = gl.getExtension("WEBGL_debug_renderer_info");
    const isSoftware = SOFTWARE.test(gl.getParameter(named ? named.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
    const limits = { voxels: isSoftware ? SOFTWARE_VOXELS : Infinity, axis: gl.getParameter(gl.MAX_3D_TEXTURE_SIZE) };
    gl.getExtension("WEBGL_lose_context")?.loseContext();
    return limits;
  };

  const loaded = new Map();
  const script = (url) => {
    if (!loaded.has(url)) {
      loaded.set(url, new Promise((resolve, reject) => {
        const tag = document.createElement("script");
        tag.src = url;
        tag.onload = resolve;
        tag.onerror = () => reject(new Error("A part of the viewer did not load; reload the page."));
        document.head.append(tag);
      }));
    }
    return loaded.get(url);
  };

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
    made.append(...children);
    return made;
  };

  const button = (text, pressed, act) => {
    const made = element("button", { type: "button", class: "small", "aria-pressed": String(pressed) }, text);
    made.addEventListener("click", () => act(made));
    return made;
  };

  // One of several: pressing one releases the others.
  const choice = (label, names, first, act) => {
    const group = element("div", { class: "viewer-group", role: "group", "aria-label": label });
    names.forEach((name) => group.append(button(name, name === first, (pressed) => {
      group.querySelectorAll("button").forEach((other) => other.setAttribute("aria-pressed", String(other === pressed)));
      act(name);
    })));
    return group;
  };

  class Viewer {
    constructor(root) {
      this.root = root;
      this.fields = (root.dataset.fields || "").split(",").filter(Boolean).map((id) => document.querySelector(id));
      this.file = root.dataset.file ? document.querySelector(root.dataset.file) : null;
      this.niivue = null;
      this.turn = null;
      this.say = element("p", { class: "muted small", role: "status" });
      this.stage = element("div", { class: "viewer-stage", hidden: "" });
      root.append(this.say, this.stage);
      root.hidden = false;
      if (this.file) this.offerToOpen();
      if (root.dataset.volume) this.offerVolume();
    }

    // A scan of this computer: the form's own file field, or a DICOM folder. Nothing leaves the browser before the form is sent.
    offerToOpen() {
      const folder = element("input", { type: "file", webkitdirectory: "", hidden: "", "aria-label": "DICOM folder" });
      folder.addEventListener("change", () => this.guard((isLast) => this.openFolder([...folder.files], isLast)));
      const open = button("Open a DICOM folder", false, () => folder.click());
      open.removeAttribute("aria-pressed");
      this.say.textContent = "Choose a volume above to look at it here: click the lesion, and its coordinates are filled in.";
      this.root.prepend(element("p", { class: "buttons" }, open, folder));
      this.file.accept = `${this.file.accept},.nii,.nii.gz,.gz,.nrrd`;
      this.file.addEventListener("change", () => {
        const chosen = this.file.files[0];
        this.forget();
        if (!chosen || !(OPENED_AS_IS.test(chosen.name) || CONVERTED.test(chosen.name))) return;
        this.guard((isLast) => this.openFile(chosen, isLast), OPENED_AS_IS.test(chosen.name) ? " You can still send it." : "");
      });
    }

    // A scan of this site: its slices stand on the page already, so what cannot be drawn in good time is not begun.
    offerVolume() {
      const limits = renderer();
      if (!limits || Number(this.root.dataset.voxels) > limits.voxels) {
        this.say.textContent = `${limits ? "This browser draws without a graphics card" : "This browser has no WebGL 2"}: `
          + "the viewer is left out. The slices of this page show the same scan, voxel for voxel.";
        return;
      }
      const megabytes = Math.max(1, Math.round(Number(this.root.dataset.bytes) / 1e6));
      const open = button(`Open the viewer (${megabytes} MB)`, false, () => {
        open.disabled = true;
        this.guard(() => this.openUrl(this.root.dataset.volume));
      });
      open.removeAttribute("aria-pressed");
      this.root.prepend(element("p", { class: "buttons" }, open));
    }

    // Show no scan: a click on one that is not the form's would fill in a place of another.
    forget() {
      this.turn = null;
      this.say.textContent = "";
      this.stage.hidden = true;
      this.root.removeAttribute("aria-busy");
    }

    // Run a step, which asks whether it is the last one begun before it shows or keeps something; say what went wrong.
    async guard(step, remedy = "") {
      this.forget();
      const turn = {};
      const isLast = () => this.turn === turn;
      this.turn = turn;
      this.root.setAttribute("aria-busy", "true");
      try {
        await step(isLast);
        if (isLast()) this.root.removeAttribute("aria-busy");
      } catch (error) {
        if (!isLast()) return;
        this.forget();
        this.say.textContent = `The scan cannot be shown here: ${error.message}${remedy}`;
      }
    }

    async openFolder(files, isLast) {
      this.say.textContent = `Reading ${files.length} files…`;
      await Promise.all([script(this.root.dataset.daikon), script(this.root.dataset.dicom), script(this.root.dataset.metaimage)]);
      const volume = await window.lunasiteDicom.toVolume(files);
      const file = await window.lunasiteMetaImage.asMha(volume, "dicom-series.mha");
      if (!isLast()) return;
      this.put(file);
      await this.openFile(file, isLast);
    }

    async openFile(file, isLast) {
      this.say.textContent = `Reading ${file.name}…`;
      const niivue = await this.started();
      const image = await window.niivue.NVImage.loadFromFile({ file, name: file.name });
      const drawn = await this.drawable(image);
      if (!isLast()) return;
      this.shown(niivue, drawn);
      if (CONVERTED.test(file.name)) await this.convert(image, file.name, isLast);
    }

    async openUrl(url) {
      this.say.textContent = "Fetching the scan…";
      const niivue = await this.started();
      const image = await window.niivue.NVImage.loadFromUrl({ url, name: "scan.mha" });
      this.shown(niivue, await this.drawable(image));
      const point = (this.root.dataset.point || "").split(",").map(Number);
      if (point.length === 3 && point.every(Number.isFinite)) this.goTo(point);
    }

    // Return the image, or a coarse copy of it where the browser could not draw all of it in good time.
    async drawable(image) {
      const volume = volumeOf(image);
      const step = stepOf(volume.size, renderer());
      this.coarse = step > 1 ? `Shown coarsely, every ${step}th voxel: this browser draws without a graphics card. The file is sent whole. ` : "";
      if (step === 1) return image;
      await script(this.root.dataset.metaimage);
      const file = await window.lunasiteMetaImage.asMha(coarse(volume, step), "coarse.mha");
      return window.niivue.NVImage.loadFromFile({ file, name: file.name });
    }

    // NIfTI and NRRD are sent as MetaImage: the form's file field gets the converted file.
    async convert(image, name, isLast) {
      await script(this.root.dataset.metaimage);
      const { asMha } = window.lunasiteMetaImage;
      const file = await asMha(volumeOf(image), name.replace(CONVERTED, ".mha"));
      if (isLast()) this.put(file);
    }

    put(file) {
      const transfer = new DataTransfer();
      transfer.items.add(file);
      this.file.files = transfer.files;
    }

    async started() {
      if (!renderer()) throw new Error("this browser has no WebGL 2.");
      await script(this.root.dataset.niivue);
      if (this.niivue) return this.niivue;
      this.canvas = element("canvas", {
        tabindex: "0", width: "640", height: "480", "aria-label": "CT scan. Arrow keys move the cross-hair by a voxel, Page Up and Page Down by a slice.",
      });
      this.stage.append(this.controls(), element("div", { class: "viewer-canvas" }, this.canvas), this.numbers());
      this.stage.hidden = false;
      this.niivue = new window.niivue.Niivue({
        backColor: [0, 0, 0, 1], crosshairColor: [1, 0.83, 0.29, 1], crosshairWidth: 0.6, show3Dcrosshair: false, isColorbar: false,
        dragAndDropEnabled: false, multiplanarShowRender: 0, logLevel: "silent", isRadiologicalConvention: true, isNearestInterpolation: false,
      });
      this.niivue.onLocationChange = (at) => this.moved(at);
      ["pointerdown", "mousedown", "touchstart", "keydown"].forEach((kind) =>
        this.canvas.addEventListener(kind, () => { this.touched = true; }, { capture: true, passive: true }));
      await this.niivue.attachToCanvas(this.canvas);
      this.canvas.addEventListener("keydown", (event) => this.key(event));
      // A click on the very place of the cross-hair moves nothing, and still says where.
      this.canvas.addEventListener("click", () => this.niivue.createOnLocationChange());
      return this.niivue;
    }

    shown(niivue, image) {
      this.stage.hidden = false;
      niivue.volumes.slice().forEach((old) => niivue.removeVolume(old));
      niivue.addVolume(image);
      this.window(...WINDOWS.Lung);
      this.say.textContent = this.coarse + (this.fields.length ? "Click the middle of the lesion." : "Click to move the cross-hair.");
      this.touched = false;
    }

    controls() {
      const own = (label, value) => {
        const field = element("input", { type: "number", value: String(value), step: "10", "aria-label": label });
        field.addEventListener("change", () => this.window(Number(this.level.value), Math.max(1, Number(this.width.value))));
        return field;
      };
      [this.level, this.width] = [own("Window level in HU", WINDOWS.Lung[0]), own("Window width in HU", WINDOWS.Lung[1])];
      const measure = button("Measure", false, () => {
        const on = measure.getAttribute("aria-pressed") !== "true";
        measure.setAttribute("aria-pressed", String(on));
        const { crosshair, measurement, pan } = window.niivue.DRAG_MODE;
        this.niivue.setMouseEventConfig({
          leftButton: { primary: on ? measurement : crosshair }, rightButton: pan, centerButton: pan,
        });
        this.say.textContent = on ? "Drag from end to end: the distance is in millimetres." : "Click to move the cross-hair.";
      });
      const reset = button("Reset zoom", false, () => this.niivue.setPan2Dxyzmm([0, 0, 0, 1]));
      reset.removeAttribute("aria-pressed");
      const closer = button("Zoom in", false, () => this.zoom(1.5));
      closer.removeAttribute("aria-pressed");
      return element("div", { class: "viewer-controls" },
        choice("Plane", Object.keys(PLANES), "Three planes", (name) => this.niivue.setSliceType(window.niivue.SLICE_TYPE[PLANES[name]])),
        choice("Window", Object.keys(WINDOWS), "Lung", (name) => this.window(...WINDOWS[name])),
        element("div", { class: "viewer-group" }, this.level, this.width),
        element("div", { class: "viewer-group" }, closer, reset, measure));
    }

    numbers() {
      this.where = element("output", { class: "mono small" }, "");
      return element("p", { class: "viewer-where" }, this.where);
    }

    window(level, width) {
      [this.level.value, this.width.value] = [level, width];
      const image = this.niivue.volumes[0];
      [image.cal_min, image.cal_max] = [level - width / 2, level + width / 2];
      this.niivue.updateGLVolume();
    }

    zoom(factor) {
      const [x, y, z, now] = this.niivue.scene.pan2Dxyzmm;
      this.niivue.setPan2Dxyzmm([x, y, z, Math.min(8, now * factor)]);
    }

    goTo(point) {
      const niivue = this.niivue;
      niivue.scene.crosshairPos = niivue.mm2frac(flip(point), 0, true); // in the world, also of a tilted scan
      niivue.createOnLocationChange();
      niivue.drawScene();
    }

    moved(at) {
      const point = flip([at.mm[0], at.mm[1], at.mm[2]]).map((value) => Math.round(value * 100) / 100);
      const density = at.values?.[0]?.value;
      this.where.textContent = `x ${point[0]}  y ${point[1]}  z ${point[2]} mm (LPS)`
        + (Number.isFinite(density) ? `, ${Math.round(density)} HU` : "");
      // Opening the scan reports a place, too; only a person's fills in the fields.
      if (this.touched) this.fields.forEach((field, axis) => { field.value = String(point[axis]); });
    }

    key(event) {
      const steps = {
        ArrowLeft: [-1, 0, 0], ArrowRight: [1, 0, 0], ArrowUp: [0, 1, 0], ArrowDown: [0, -1, 0], PageUp: [0, 0, 1], PageDown: [0, 0, -1],
      };
      if (!(event.key in steps)) return;
      event.preventDefault();
      event.stopPropagation();
      this.niivue.moveCrosshairInVox(...steps[event.key]);
    }
  }

  // Return by how much a volume must be thinned along each axis to be drawn.
  const stepOf = (size, limits) => {
    let step = 1;
    const thinned = () => size.map((count) => Math.ceil(count / step));
    while (thinned().reduce((product, count) => product * count) > limits.voxels || Math.max(...thinned()) > limits.axis) step += 1;
    return step;
  };

  // Every `step`th voxel; the first stays where it is, and so does the origin.
  const coarse = (volume, step) => {
    const [nx, ny] = volume.size;
    const size = volume.size.map((count) => Math.ceil(count / step));
    const values = new volume.values.constructor(size[0] * size[1] * size[2]);
    let to = 0;
    for (let z = 0; z < volume.size[2]; z += step) {
      for (let y = 0; y < ny; y += step) {
        for (let x = 0; x < nx; x += step) values[to++] = volume.values[(z * ny + y) * nx + x];
      }
    }
    return { ...volume, size, spacing: volume.spacing.map((mm) => mm * step), values };
  };

  // NiiVue keeps the voxels in the file's order; its affine is RAS, ours LPS.
  const volumeOf = (image) => {
    const { affine, dims, scl_slope: slope, scl_inter: offset } = image.hdr;
    const size = [dims[1], dims[2], dims[3]];
    const columns = [0, 1, 2].map((axis) => flip([affine[0][axis], affine[1][axis], affine[2][axis]]));
    const spacing = columns.map((column) => Math.hypot(...column));
    const isPlain = (slope === 1 || slope === 0 || !Number.isFinite(slope)) && !offset;
    const values = isPlain && KNOWN_TYPES.has(image.img.constructor.name)
      ? image.img : Float32Array.from(image.img, (value) => value * (slope || 1) + (offset || 0));
    return {
      size,
      spacing,
      origin: flip([affine[0][3], affine[1][3], affine[2][3]]),
      axes: columns.map((column, axis) => column.map((value) => value / spacing[axis])),
      values: values.subarray(0, size[0] * size[1] * size[2]),
    };
  };

  // site.js puts an answer in the place of the page's main part, and its viewer begins anew.
  const begin = (part) => part.querySelectorAll("[data-viewer]").forEach((root) => new Viewer(root));
  document.addEventListener("lunasite:main", (event) => begin(event.target));
  begin(document);
})();
