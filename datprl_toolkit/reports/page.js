"use strict";
/* The viewer of a report: pixels are drawn from their values, so that window, difference and profiles stay exact. */

const DATA = JSON.parse(document.getElementById("data").textContent);
const ABSENT = 32768;

/** Undo the packing of datprl_toolkit.reports.pictures: base64, zlib, high bytes before low bytes, sign in bit 0. */
async function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const count = planes.length / 2;
  const numbers = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const folded = (planes[i] << 8) | planes[count + i];
    numbers[i] = (folded >>> 1) ^ -(folded & 1);
  }
  return numbers;
}

const wrap = (number) => ((number + 32768) & 65535) - 32768;

/** Turn packed numbers into values; what is no data becomes NaN. */
async function decode(shown) {
  const before = [];
  const after = [];
  for (let plane = 0; plane < shown.before.length; plane++) {
    const [steps, changes] = await Promise.all([unpack(shown.before[plane]), unpack(shown.after[plane])]);
    const first = new Float64Array(steps.length);
    const second = new Float64Array(steps.length);
    let current = 0;
    for (let i = 0; i < steps.length; i++) {
      current = wrap(current + steps[i]);
      const absent = current === ABSENT - 65536;
      const changed = wrap(current + changes[i]);
      first[i] = absent ? NaN : current * shown.scale + shown.offset;
      second[i] = changed === ABSENT - 65536 ? NaN : changed * shown.scale + shown.offset;
    }
    before.push(first);
    after.push(second);
  }
  return { before, after };
}

const mean = (planes, i) => planes.reduce((sum, plane) => sum + plane[i], 0) / planes.length;

function show(value, digits = 4) {
  if (!Number.isFinite(value)) return "no data";
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

/** A table of 512 colours from the colours of the map. */
function colourTable(stops) {
  const table = new Uint8ClampedArray(512 * 3);
  for (let i = 0; i < 512; i++) {
    const place = (i / 511) * (stops.length - 1);
    const low = Math.min(Math.floor(place), stops.length - 2);
    for (let c = 0; c < 3; c++) {
      table[3 * i + c] = stops[low][c] + (place - low) * (stops[low + 1][c] - stops[low][c]);
    }
  }
  return table;
}

const COLOURS = colourTable(DATA.map);
const GRADIENT = `linear-gradient(90deg, ${DATA.map.map((colour) => `rgb(${colour.join(",")})`).join(",")})`;

class Viewer {
  constructor(article, part) {
    this.part = part;
    this.find = (selector) => article.querySelector(selector);
    this.article = article;
    this.low = part.low;
    this.high = part.high;
    this.limit = part.limit;
    this.split = 50;
    this.index = part.start;
    this.cache = new Map();
    this.cross = null;
    this.find(".invert").checked = part.inverted;
    this.listen();
    this.writeFields();
  }

  get shown() {
    return this.part.shown[this.index];
  }

  async load() {
    const wanted = this.index;
    if (!this.cache.has(wanted)) this.cache.set(wanted, decode(this.part.shown[wanted]));
    const values = await this.cache.get(wanted);
    if (wanted !== this.index) return;
    this.values = values;
    const { width, height } = this.shown;
    this.cross = this.cross && this.cross.x < width && this.cross.y < height ? this.cross
      : { x: width >> 1, y: height >> 1 };
    this.find("output.title").textContent = this.shown.title
      + (this.shown.step > 1 ? `, every ${this.shown.step}th pixel` : "");
    const [rows, columns] = this.part.spacing;
    for (const stage of this.article.querySelectorAll(".stage canvas")) {
      stage.width = width;
      stage.height = height;
      stage.style.aspectRatio = `${width * columns} / ${height * rows}`;
      stage.style.imageRendering = width < 300 ? "pixelated" : "auto";
    }
    this.draw();
  }

  draw() {
    this.drawPair();
    this.drawChange();
    this.drawOver();
    this.drawProfiles();
    this.read(this.cross.x, this.cross.y);
  }

  drawPair() {
    const { width, height } = this.shown;
    const canvas = this.find(".pair canvas");
    const image = new ImageData(width, height);
    const boundary = Math.round((this.split / 100) * width);
    const inverted = this.find(".invert").checked;
    const factor = 255 / (this.high - this.low || 1);
    for (let y = 0, i = 0; y < height; y++) {
      for (let x = 0; x < width; x++, i++) {
        const planes = x < boundary ? this.values.before : this.values.after;
        for (let c = 0; c < 3; c++) {
          const value = planes[planes.length === 3 ? c : 0][i];
          const grey = Number.isFinite(value) ? Math.max(0, Math.min(255, (value - this.low) * factor)) : 128;
          image.data[4 * i + c] = inverted ? 255 - grey : grey;
        }
        image.data[4 * i + 3] = 255;
      }
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    const handle = this.find(".split");
    handle.style.left = `${this.split}%`;
    handle.setAttribute("aria-valuenow", Math.round(this.split));
    handle.setAttribute("aria-valuetext", `left ${Math.round(this.split)} percent before, the rest restored`);
    this.find(".pair .tag.left").hidden = this.split < 12;
    this.find(".pair .tag.right").hidden = this.split > 88;
    const ends = inverted ? ["#fff", "#000"] : ["#000", "#fff"];
    this.find(".scale.grey i").style.background = `linear-gradient(90deg, ${ends[0]}, ${ends[1]})`;
    this.find(".scale.grey .low").textContent = show(this.low);
    this.find(".scale.grey .high").textContent = `${show(this.high)} ${this.part.unit}`;
  }

  drawChange() {
    const { width, height } = this.shown;
    const image = new ImageData(width, height);
    const { before, after } = this.values;
    for (let i = 0; i < width * height; i++) {
      const change = mean(after, i) - mean(before, i);
      const share = Number.isFinite(change) ? Math.max(-1, Math.min(1, change / (this.limit || 1))) : 0;
      const place = 3 * Math.round((share + 1) * 255.5);
      image.data.set([COLOURS[place], COLOURS[place + 1], COLOURS[place + 2], 255], 4 * i);
    }
    this.find(".change canvas").getContext("2d").putImageData(image, 0, 0);
    this.find(".scale.colour i").style.background = GRADIENT;
    this.find(".scale.colour .low").textContent = `−${show(this.limit, 3)}`;
    this.find(".scale.colour .high").textContent = `+${show(this.limit, 3)} ${this.part.unit}`;
  }

  drawOver() {
    const { width, height, step, origin, frame } = this.shown;
    const marks = this.find(".marks").checked ? this.part.marks.filter((mark) => mark.frame === frame) : [];
    const size = Math.max(9, width / 34);
    const shapes = marks.map((mark) => {
      const x = (mark.column - origin[1]) / step;
      const y = (mark.row - origin[0]) / step;
      const side = mark.size / step;
      const beside = x + side + 2 * size < width ? `x="${x + side + 2}"` : `x="${x - 2}" text-anchor="end"`;
      return `<rect class="mark" x="${x}" y="${y}" width="${side}" height="${side}"/>`
        + `<text ${beside} y="${y + size * 0.8}" font-size="${size}">${mark.name}</text>`;
    });
    const { x, y } = this.cross;
    const cross = `<line class="cross" x1="0" x2="${width}" y1="${y + 0.5}" y2="${y + 0.5}"/>`
      + `<line class="cross" x1="${x + 0.5}" x2="${x + 0.5}" y1="0" y2="${height}"/>`;
    for (const over of this.article.querySelectorAll(".stage .over")) {
      over.setAttribute("viewBox", `0 0 ${width} ${height}`);
      over.innerHTML = shapes.join("") + (over.closest(".change") ? cross : "");
    }
  }

  drawProfiles() {
    const { width, height } = this.shown;
    const { x, y } = this.cross;
    const row = (planes) => Array.from({ length: width }, (_, i) => mean(planes, y * width + i));
    const column = (planes) => Array.from({ length: height }, (_, i) => mean(planes, i * width + x));
    this.drawProfile("row", row, this.part.spacing[1]);
    this.drawProfile("column", column, this.part.spacing[0]);
  }

  drawProfile(name, cut, spacing) {
    const chart = this.find(`[data-chart="${name}"]`);
    const [left, top, wide, tall] = chart.dataset.frame.split(" ").map(Number);
    const [low, high, end] = [chart.dataset.low, chart.dataset.high, chart.dataset.xHigh].map(Number);
    for (const kind of ["before", "after"]) {
      let pen = "M";
      const words = cut(this.values[kind]).map((value, i) => {
        const share = i * this.shown.step * spacing / end;
        if (!Number.isFinite(value) || share > 1) { pen = "M"; return ""; }
        const level = Math.max(0, Math.min(1, (value - low) / (high - low)));
        const word = `${pen}${(left + share * wide).toFixed(1)} ${(top + (1 - level) * tall).toFixed(1)}`;
        pen = "L";
        return word;
      });
      chart.querySelector(`path.${kind}`).setAttribute("d", words.join(""));
    }
  }

  read(x, y) {
    const { width, step, origin } = this.shown;
    const i = y * width + x;
    const [before, after] = [mean(this.values.before, i), mean(this.values.after, i)];
    const change = after - before;
    const sign = change > 0 ? "+" : "";
    this.find(".readout").textContent = `row ${origin[0] + y * step}, column ${origin[1] + x * step}: before `
      + `${show(before)}, restored ${show(after)}, change ${sign}${show(change, 3)} ${this.part.unit}`;
  }

  writeFields() {
    const steps = [["black", this.low], ["white", this.high], ["limit", this.limit]];
    for (const [name, value] of steps) this.find(`input.${name}`).value = Number(value.toPrecision(4));
  }

  move(x, y) {
    const { width, height } = this.shown;
    this.cross = { x: Math.max(0, Math.min(width - 1, x)), y: Math.max(0, Math.min(height - 1, y)) };
    this.drawOver();
    this.drawProfiles();
    this.read(this.cross.x, this.cross.y);
  }

  setSplit(percent) {
    this.split = Math.max(0, Math.min(100, percent));
    this.drawPair();
  }

  goTo(frame, row, column) {
    const found = this.part.shown.findIndex((shown) => shown.frame === frame
      && row >= shown.origin[0] && row < shown.origin[0] + shown.height * shown.step
      && column >= shown.origin[1] && column < shown.origin[1] + shown.width * shown.step);
    if (found < 0) return;
    this.index = found;
    this.find("input.frame").value = found;
    const { origin, step } = this.shown;
    this.cross = { x: Math.floor((column - origin[1]) / step), y: Math.floor((row - origin[0]) / step) };
    this.load();
  }

  /** The pixel under a pointer. */
  place(event) {
    const box = event.currentTarget.getBoundingClientRect();
    return [
      Math.floor(((event.clientX - box.left) / box.width) * this.shown.width),
      Math.floor(((event.clientY - box.top) / box.height) * this.shown.height),
    ];
  }

  listen() {
    const on = (selector, name, act) => this.find(selector).addEventListener(name, act);
    on("input.frame", "input", (event) => { this.index = Number(event.target.value); this.load(); });
    this.listenToSplit();
    this.listenToCross();
    for (const button of this.article.querySelectorAll("[data-split]")) {
      button.addEventListener("click", () => this.setSplit(Number(button.dataset.split)));
    }
    for (const button of this.article.querySelectorAll("[data-low]:is(button)")) {
      button.addEventListener("click", () => {
        [this.low, this.high] = [Number(button.dataset.low), Number(button.dataset.high)];
        this.writeFields();
        this.drawPair();
      });
    }
    for (const [name, key] of [["black", "low"], ["white", "high"], ["limit", "limit"]]) {
      on(`input.${name}`, "input", (event) => {
        const value = Number(event.target.value);
        if (event.target.value === "" || !Number.isFinite(value) || (key === "limit" && value <= 0)) return;
        this[key] = value;
        if (key === "limit") this.drawChange(); else this.drawPair();
      });
    }
    on(".invert", "change", () => this.drawPair());
    on("input.marks", "change", () => this.drawOver());
    on(".largest", "click", () => this.goTo(...this.part.largestAt));
  }

  listenToSplit() {
    const stage = this.find(".pair .stage");
    const drag = (event) => {
      const box = stage.getBoundingClientRect();
      this.setSplit(((event.clientX - box.left) / box.width) * 100);
    };
    stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); drag(event); });
    stage.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) drag(event); else this.hover(event);
    });
    stage.addEventListener("pointerleave", () => this.values && this.read(this.cross.x, this.cross.y));
    this.find(".split").addEventListener("keydown", (event) => {
      const far = event.shiftKey ? 10 : 2;
      const to = {
        ArrowLeft: this.split - far, ArrowDown: this.split - far, ArrowRight: this.split + far,
        ArrowUp: this.split + far, Home: 0, End: 100,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.setSplit(to);
    });
  }

  listenToCross() {
    const stage = this.find(".change .stage");
    stage.addEventListener("pointerdown", (event) => this.move(...this.place(event)));
    stage.addEventListener("pointermove", (event) => {
      if (event.buttons & 1) this.move(...this.place(event)); else this.hover(event);
    });
    stage.addEventListener("pointerleave", () => this.values && this.read(this.cross.x, this.cross.y));
    stage.addEventListener("keydown", (event) => {
      const far = event.shiftKey ? 10 : 1;
      const by = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] }[event.key];
      if (!by) return;
      event.preventDefault();
      this.move(this.cross.x + by[0], this.cross.y + by[1]);
    });
  }

  hover(event) {
    const [x, y] = this.place(event);
    const { width, height } = this.shown;
    if (this.values && x >= 0 && y >= 0 && x < width && y < height) this.read(x, y);
  }
}

async function start() {
  for (const article of document.querySelectorAll("article.part")) {
    const part = DATA.parts[Number(article.dataset.part)];
    if (!part.shown.length) continue;
    const viewer = new Viewer(article, part);
    await viewer.load();
    article.querySelector(".viewer").hidden = false;
    article.querySelector(".still").hidden = true;
  }
  document.documentElement.dataset.ready = "yes";
}

addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => { each.open = true; }));
/* A browser that cannot decompress keeps the still picture. */
start().catch((error) => { document.documentElement.dataset.ready = `failed: ${error}`; });
