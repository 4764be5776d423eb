// Look closer at a picture (templates/inference/_picture.html): windows of its grey levels, also of one's own, zoom and
// dragging, in place and without WebGL. Without this script the page's links ask the server for the same.
"use strict";

(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const MAX_TIMES = 16;
  const WORDS = "Double click or Ctrl and wheel zoom, dragging moves; on the keyboard +, − and 0. ";

  // Spread the grey levels from low to high over all of them, as the server does (inference/feedback/windows.py).
  function makeFilter(id) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("width", "0");
    svg.setAttribute("height", "0");
    svg.setAttribute("aria-hidden", "true");
    svg.style.position = "absolute";
    const filter = document.createElementNS(SVG, "filter");
    filter.setAttribute("id", id);
    filter.setAttribute("color-interpolation-filters", "sRGB");
    const transfer = document.createElementNS(SVG, "feComponentTransfer");
    const channels = ["R", "G", "B"].map((channel) => document.createElementNS(SVG, `feFunc${channel}`));
    channels.forEach((channel) => channel.setAttribute("type", "linear"));
    transfer.append(...channels);
    filter.append(transfer);
    svg.append(filter);
    document.body.append(svg);
    return (low, high) => channels.forEach((channel) => {
      channel.setAttribute("slope", String(255 / (high - low)));
      channel.setAttribute("intercept", String(-low / (high - low)));
    });
  }

  class Picture {
    constructor(figure, number) {
      [this.frame, this.image] = [figure.querySelector(".zoomed"), figure.querySelector("img")];
      [this.windows, this.zooms] = [figure.querySelectorAll("[data-low]"), figure.querySelectorAll("[data-zoom]")];
      this.spread = makeFilter(`picture-window-${number}`);
      this.image.style.filter = `url("#picture-window-${number}")`;
      this.image.draggable = false;
      if (!this.image.src.endsWith(this.image.dataset.plain)) this.image.src = this.image.dataset.plain;
      this.addLevels(figure.querySelector("figcaption"));
      this.listen();
      const first = figure.querySelector("[data-low][aria-current]");
      this.window(Number(first.dataset.low), Number(first.dataset.high));
      this.zoom(Number(figure.querySelector("[data-zoom][aria-current]").dataset.zoom));
    }

    addLevels(caption) {
      const field = (words) => {
        const [label, input] = [document.createElement("label"), document.createElement("input")];
        Object.assign(input, { type: "number", min: "0", max: "255" });
        input.addEventListener("change", () => this.window(Number(this.low.value), Number(this.high.value)));
        label.append(`${words} `, input);
        return [label, input];
      };
      const [[first, low], [second, high]] = [field("Black up to"), field("white from")];
      [this.low, this.high] = [low, high];
      const row = document.createElement("p");
      row.className = "row picture-levels";
      row.append(first, second);
      caption.querySelector("nav").after(row, WORDS);
    }

    listen() {
      const here = (link, act) => link.addEventListener("click", (event) => { event.preventDefault(); act(link.dataset); });
      this.windows.forEach((link) => here(link, ({ low, high }) => this.window(Number(low), Number(high))));
      this.zooms.forEach((link) => here(link, ({ zoom }) => this.zoom(Number(zoom))));
      this.frame.addEventListener("dblclick", (event) => this.zoom(this.times < MAX_TIMES ? this.times * 2 : 1, event));
      this.frame.addEventListener("wheel", (event) => {
        if (!event.ctrlKey) return; // a plain wheel scrolls, a pinch comes with Ctrl
        event.preventDefault();
        this.zoom(this.times * 2 ** (-event.deltaY / 200), event);
      }, { passive: false });
      this.frame.addEventListener("keydown", (event) => {
        const times = { "+": this.times * 2, "=": this.times * 2, "-": this.times / 2, 0: 1 }[event.key];
        if (times) this.zoom(times);
      });
      this.frame.addEventListener("pointerdown", (event) => { if (event.pointerType === "mouse") this.drag(event); });
    }

    drag(start) {
      const { scrollLeft, scrollTop } = this.frame;
      const move = (event) => {
        this.frame.scrollLeft = scrollLeft - (event.clientX - start.clientX);
        this.frame.scrollTop = scrollTop - (event.clientY - start.clientY);
      };
      const end = () => { removeEventListener("pointermove", move); removeEventListener("pointerup", end); };
      addEventListener("pointermove", move);
      addEventListener("pointerup", end);
    }

    window(low, high) {
      const [from, to] = [Math.min(Math.max(0, low), 254), Math.min(Math.max(low + 1, high), 255)];
      [this.low.value, this.high.value] = [from, to];
      this.spread(from, to);
      this.mark(this.windows, (link) => Number(link.dataset.low) === from && Number(link.dataset.high) === to);
    }

    // at: the pointer's event, whose place of the picture stays where it is; else the middle does.
    zoom(times, at = null) {
      const [box, before] = [this.frame.getBoundingClientRect(), this.image.getBoundingClientRect()];
      const x = at ? at.clientX : box.left + box.width / 2;
      const y = at ? at.clientY : box.top + box.height / 2;
      const part = [(x - before.left) / (before.width || 1), (y - before.top) / (before.height || 1)];
      this.times = Math.min(Math.max(1, times), MAX_TIMES);
      this.image.style.setProperty("--zoom", String(this.times));
      const after = this.image.getBoundingClientRect();
      this.frame.scrollLeft += after.left + part[0] * after.width - x;
      this.frame.scrollTop += after.top + part[1] * after.height - y;
      this.mark(this.zooms, (link) => Number(link.dataset.zoom) === this.times);
    }

    mark(links, isCurrent) {
      links.forEach((link) => (isCurrent(link) ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
    }
  }

  document.querySelectorAll("[data-picture]").forEach((figure, number) => new Picture(figure, number));
})();
