// Send large files (an image, a model archive) in parts, so that a broken connection or a closed browser costs a part,
// not the whole file. Without this script the form sends them in one request.
"use strict";

(() => {
  const form = document.querySelector("form[data-parts]");
  if (!form) return;
  const inputs = [...form.querySelectorAll("input[type=file][data-purpose]")];
  const bar = form.querySelector("[data-upload-bar]");
  const text = form.querySelector("[data-upload-text]");
  const stop = form.querySelector("[data-upload-stop]");
  const csrf = form.querySelector("[name=csrfmiddlewaretoken]").value;
  const AT_ONCE = 3;
  const TRIES = 6;
  const HEAD_BYTES = 65536;
  let stopping = null;

  class Refused extends Error {}
  class Unsuitable extends Refused {}
  const pause = (seconds) => new Promise((done) => { setTimeout(done, seconds * 1000); });
  // Several files, or one that is no archive, travel as one tar (static/tar.js) where the field asks for it.
  function fileOf(input) {
    const endings = (input.dataset.pack || "").split(",").filter(Boolean);
    const isPlain = (file) => endings.some((ending) => file.name.toLowerCase().endsWith(ending));
    if (!endings.length || !(input.files.length > 1 || isPlain(input.files[0]))) return input.files[0];
    return window.packTar(input.files, "images.tar");
  }
  const nameOf = (file) => `upload ${file.name} ${file.size} ${file.lastModified}`;

  // Where the upload of this file got to is remembered by the browser; a browser that forbids it starts anew.
  const memory = {
    get: (file) => { try { return localStorage.getItem(nameOf(file)); } catch { return null; } },
    set: (file, id) => { try { localStorage.setItem(nameOf(file), id); } catch { /* private window */ } },
    drop: (file) => { try { localStorage.removeItem(nameOf(file)); } catch { /* private window */ } },
  };

  async function ask(path, method = "GET", body = undefined) {
    const headers = { Accept: "application/json", "X-CSRFToken": csrf };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal: stopping.signal });
    const data = answer.status === 204 ? {} : await answer.json().catch(() => ({}));
    if (answer.ok) return data;
    const message = data.message || "The site did not take it; try again later.";
    throw answer.status < 500 ? new Refused(message) : new Error(message);
  }

  // The site judges the first bytes before the rest travels: no rule about files stands here.
  async function judge(file, purpose) {
    const query = new URLSearchParams({ filename: file.name, purpose });
    const headers = { Accept: "application/json", "X-CSRFToken": csrf, "Content-Type": "application/octet-stream" };
    const answer = await fetch(`${form.dataset.parts}/check?${query}`, {
      method: "POST", headers, body: file.slice(0, HEAD_BYTES), signal: stopping.signal,
    });
    const data = await answer.json().catch(() => ({}));
    if (answer.status === 400) throw new Unsuitable(data.message);
  }

  // Of size, beginning and end: two saved images of one size differ at their end, where the manifest is.
  async function fingerprintOf(file) {
    if (!window.crypto || !window.crypto.subtle) return "";
    const edges = new Blob([`${file.size}\n`, file.slice(0, HEAD_BYTES), file.slice(-HEAD_BYTES)]);
    const digest = await crypto.subtle.digest("SHA-256", await edges.arrayBuffer());
    return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  // What another browser began is found in the page's list, by the fingerprint.
  function listedId(fingerprint, purpose) {
    const items = [...document.querySelectorAll("[data-upload-id]")];
    const same = ({ dataset }) => dataset.uploadFingerprint === fingerprint && dataset.uploadPurpose === purpose;
    const found = fingerprint && items.find(same);
    return found ? found.dataset.uploadId : null;
  }

  async function begin(file, purpose) {
    const fingerprint = await fingerprintOf(file);
    const known = memory.get(file) || listedId(fingerprint, purpose);
    if (known) {
      try {
        const upload = await ask(`${form.dataset.parts}/${known}`);
        if (upload.size === file.size && upload.purpose === purpose) return upload;
      } catch (problem) {
        if (!(problem instanceof Refused)) throw problem;
        memory.drop(file);
      }
    }
    await judge(file, purpose);
    const upload = await ask(form.dataset.parts, "POST", {
      filename: file.name, size: file.size, purpose, fingerprint,
    });
    memory.set(file, upload.id);
    return upload;
  }

  // A 400 of the site's own is final; whatever else an address answers, it may take the part next time.
  function refusalOf(request, part) {
    try {
      if (request.status === 400 && !part.direct) return new Refused(JSON.parse(request.responseText).message);
    } catch { /* not the site's words */ }
    return new Error(`status ${request.status}`);
  }

  function put(part, piece, onBytes) {
    return new Promise((done, fail) => {
      const request = new XMLHttpRequest();
      request.open("PUT", part.url);
      request.setRequestHeader("Content-Type", "application/octet-stream");
      if (!part.direct) request.setRequestHeader("X-CSRFToken", csrf);
      request.upload.addEventListener("progress", (event) => onBytes(event.loaded));
      request.addEventListener("load", () => (request.status < 300 ? done() : fail(refusalOf(request, part))));
      request.addEventListener("error", () => fail(new Error("the connection broke")));
      stopping.signal.addEventListener("abort", () => { request.abort(); fail(new DOMException("", "AbortError")); });
      request.send(piece);
    });
  }

  async function sendPart(upload, file, number, onBytes) {
    const start = (number - 1) * upload.part_size;
    const piece = file.slice(start, Math.min(start + upload.part_size, file.size));
    for (let tries = 1; ; tries += 1) {
      try {
        const { parts } = await ask(`${form.dataset.parts}/${upload.id}/parts`, "POST", { numbers: [number] });
        await put(parts[0], piece, onBytes);
        onBytes(piece.size);
        return;
      } catch (problem) {
        if (problem instanceof Refused || problem.name === "AbortError" || tries === TRIES) throw problem;
        text.textContent = "The connection broke; going on in a moment.";
        await pause(2 ** tries);
      }
    }
  }

  async function sendParts(upload, file) {
    const received = new Set(upload.received);
    const missing = [];
    for (let number = 1; number <= upload.parts; number += 1) if (!received.has(number)) missing.push(number);
    const sent = new Map();
    const before = Math.min(received.size * upload.part_size, file.size);
    const started = performance.now();
    const show = (number, bytes) => {
      sent.set(number, bytes);
      const now = [...sent.values()].reduce((sum, one) => sum + one, 0);
      showProgress(before + now, file.size, now / ((performance.now() - started) / 1000));
    };
    const worker = async () => {
      while (missing.length) {
        const number = missing.shift();
        await sendPart(upload, file, number, (bytes) => show(number, bytes));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  const megabytes = (bytes) => (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);

  function showProgress(done, size, bytesPerSecond) {
    bar.max = size;
    bar.value = done;
    const left = Math.ceil((size - done) / Math.max(bytesPerSecond, 1));
    const rest = left > 90 ? `about ${Math.ceil(left / 60)} minutes left` : `about ${left} s left`;
    text.textContent = `${megabytes(done)} of ${megabytes(size)} MB, ${rest}`;
  }

  function working(on) {
    for (const button of form.querySelectorAll("button[type=submit]")) button.disabled = on;
    stop.hidden = !on;
    form.setAttribute("aria-busy", on);
  }

  // Once the file is there, the field that names its upload stands for it.
  async function sendFile(input) {
    const file = fileOf(input);
    const upload = await begin(file, input.dataset.purpose);
    if (!upload.is_complete) {
      await sendParts(upload, file);
      text.textContent = "Joining the parts and checking them.";
      await ask(`${form.dataset.parts}/${upload.id}/complete`, "POST");
    }
    memory.drop(file);
    form.querySelector(`input[name=${input.dataset.target}]:not([type=file])`).value = upload.id;
    // A file that was chosen goes before the earlier one that the form was filled in with.
    if (input.dataset.instead) form.querySelector(`input[name=${input.dataset.instead}]`).value = "";
    input.disabled = true;
  }

  async function send(chosen, button) {
    stopping = new AbortController();
    working(true);
    bar.hidden = false;
    text.textContent = "Beginning.";
    let sending = null;
    try {
      for (sending of chosen) await sendFile(sending);
      text.textContent = "Submitting.";
      if (button?.name) { // form.submit() leaves out which button was pressed
        const pressed = document.createElement("input");
        Object.assign(pressed, { type: "hidden", name: button.name, value: button.value });
        form.append(pressed);
      }
      form.submit();
    } catch (problem) {
      working(false);
      if (problem instanceof Refused) memory.drop(fileOf(sending));
      if (problem instanceof Unsuitable) text.textContent = problem.message;
      else text.textContent = problem.name === "AbortError"
        ? "Stopped. Choose the same file and submit again to go on from here."
        : `${problem.message} Submit again to go on from here.`;
    }
  }

  const judgeChosen = (input) => async () => {
    if (!input.files.length) return;
    stopping = new AbortController();
    try {
      await judge(fileOf(input), input.dataset.purpose);
      text.textContent = "";
    } catch (problem) {
      text.textContent = problem instanceof Unsuitable ? problem.message : "";
    }
  };
  inputs.forEach((input) => input.addEventListener("change", judgeChosen(input)));
  document.querySelectorAll("[data-upload-resume]").forEach((button) => {
    const { uploadPurpose } = button.closest("[data-upload-id]").dataset;
    const input = inputs.find(({ dataset }) => dataset.purpose === uploadPurpose);
    button.hidden = !input;
    button.addEventListener("click", () => {
      input.closest("details")?.setAttribute("open", "");
      input.click();
    });
  });
  stop.addEventListener("click", () => stopping.abort());
  form.addEventListener("submit", (event) => {
    const chosen = inputs.filter((input) => input.files.length && !input.disabled);
    if (!chosen.length) return;
    event.preventDefault();
    send(chosen, event.submitter);
  });
})();
