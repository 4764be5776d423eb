// Small additions to pages that work without them: local times, dropped files, upload progress,
// copied text, questions before what cannot be undone. No page depends on this file.
"use strict";

(() => {
  const all = (selector, root = document) => root.querySelectorAll(selector);

  // <time datetime="…" data-local> shows UTC from the server and the reader's own time here.
  const clock = new Intl.DateTimeFormat(undefined, {
    year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });
  const day = new Intl.DateTimeFormat("sv-SE", { year: "numeric", month: "2-digit", day: "2-digit" });
  function localTimes(root) {
    for (const node of all("time[data-local]", root)) {
      const moment = new Date(node.dateTime);
      if (Number.isNaN(moment.getTime())) continue;
      if (!moment.getTimezoneOffset() || node.dataset.local) continue;
      const utc = node.textContent.trim();
      const sameDay = utc.startsWith(day.format(moment));
      node.dataset.local = "done";
      node.title = utc;
      node.textContent = `${clock.format(moment)} (${sameDay ? utc.slice(-9) : utc})`;
    }
  }

  // Pictures of scans are decoded one at a time for each reader: what is told to wait comes again by itself, and until
  // then its place stays empty.
  const MAX_PAUSE_S = 15, MAX_TRIES = 20;
  function askAgain(picture) {
    const tries = Number(picture.dataset.tries || 0);
    picture.classList.toggle("waiting", tries < MAX_TRIES);
    if (tries >= MAX_TRIES) return;
    picture.dataset.tries = tries + 1;
    setTimeout(() => { picture.src = picture.src; }, 1000 * Math.min(MAX_PAUSE_S, 0.5 * 1.5 ** tries));
  }
  function patientPicture(picture) {
    picture.addEventListener("error", () => askAgain(picture));
    picture.addEventListener("load", () => picture.classList.remove("waiting"));
    if (picture.complete && !picture.naturalWidth) askAgain(picture);
  }

  // <button data-print hidden> shows where a script can print.
  function printButton(button) {
    button.hidden = false;
    button.addEventListener("click", () => window.print());
  }

  // Signing in elsewhere renews the CSRF token; the cookie has the one that holds now.
  document.addEventListener("submit", (event) => {
    const field = event.target.querySelector("input[name=csrfmiddlewaretoken]");
    const cookie = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/);
    if (field && cookie && event.target.method === "post") field.value = cookie[1];
  }, true);

  // On a phone a table becomes cards (site.css): each cell brings its column's heading. A matrix stays a table.
  function cards(table) {
    const heads = [...all("thead th", table)].map((head) => head.querySelector(".visually-hidden") ? "" : head.textContent.trim());
    if (!heads.length || table.querySelector(".extra") || table.matches(".cards, .matrix")) return;
    for (const row of all("tbody tr", table)) {
      row.setAttribute("role", "row"); // display: block would take a row's meaning from it
      if (row.cells.length !== heads.length) continue;
      [...row.cells].forEach((cell, i) => {
        cell.setAttribute("role", cell.tagName === "TH" ? "rowheader" : "cell");
        if (heads[i]) cell.dataset.label = heads[i];
        cell.classList.toggle("blank", !cell.textContent.trim() && !cell.querySelector("img, svg, meter, input, button"));
      });
    }
    table.setAttribute("role", "table");
    for (const body of all("tbody", table)) body.setAttribute("role", "rowgroup");
    table.classList.add("cards");
  }

  // What scrolls sideways can be scrolled by keyboard.
  function scrollable(box) {
    if (box.scrollWidth <= box.clientWidth || box.tabIndex === 0) return;
    box.tabIndex = 0;
    box.setAttribute("role", "region");
    const name = box.querySelector("caption")?.textContent.trim().split(".")[0];
    box.setAttribute("aria-label", name || box.closest("section, details, main")?.querySelector("h1, h2, h3, summary")?.textContent.trim() || "Table");
  }

  // <label class="drop"> around a file input takes dropped files.
  function dropZone(zone) {
    const input = zone.querySelector("input[type=file]");
    if (!input) return;
    const toggle = (on) => (event) => { event.preventDefault(); zone.classList.toggle("over", on); };
    zone.addEventListener("dragenter", toggle(true));
    zone.addEventListener("dragover", toggle(true));
    zone.addEventListener("dragleave", toggle(false));
    zone.addEventListener("drop", (event) => {
      toggle(false)(event);
      if (!event.dataTransfer.files.length) return;
      input.files = event.dataTransfer.files;
      input.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }

  const megabytes = (bytes) => (bytes / 2 ** 20).toFixed(bytes < 2 ** 20 ? 2 : 1);

  // form[data-upload] is sent with XMLHttpRequest, the only way to learn how much of the body has left.
  function uploadForm(form) {
    const bar = form.querySelector("progress[data-upload-bar]");
    const text = form.querySelector("[data-upload-text]");
    form.addEventListener("submit", (event) => {
      const input = form.querySelector("input[type=file]");
      if (!bar || !input || !input.files.length) return;
      event.preventDefault();
      send(form, event.submitter, bar, text);
    });
  }

  function send(form, button, bar, text) {
    const data = new FormData(form, button);
    const request = new XMLHttpRequest();
    const started = performance.now();
    const target = new URL(form.action, location.href);
    request.open("POST", target);
    request.setRequestHeader("Accept", "text/html");
    request.upload.addEventListener("progress", (event) => showProgress(event, bar, text, started));
    request.addEventListener("load", () => showAnswer(request, target, form.querySelector("input[type=file]")));
    request.addEventListener("error", () => {
      text.textContent = "The connection broke. Check your network and send the file again.";
      lock(form, false);
    });
    bar.hidden = false;
    lock(form, true);
    request.send(data);
  }

  function showProgress(event, bar, text, started) {
    if (!event.lengthComputable) return;
    bar.max = event.total;
    bar.value = event.loaded;
    const seconds = (performance.now() - started) / 1000;
    const left = Math.ceil((seconds / event.loaded) * (event.total - event.loaded));
    const rest = event.loaded === event.total ? "checking the file" : `about ${left} s left`;
    text.textContent = `${megabytes(event.loaded)} of ${megabytes(event.total)} MB, ${rest}`;
  }

  // A redirect is followed; the same page with problems, or with a checked file, takes the place of this one.
  function showAnswer(request, target, sent) {
    const moved = request.responseURL.split("#")[0] !== target.href.split("#")[0];
    if (request.status < 400 && moved) {
      location.assign(request.responseURL);
      return;
    }
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    const fresh = page.querySelector("main");
    if (!fresh) { location.reload(); return; }
    document.querySelector("main").replaceWith(document.adoptNode(fresh));
    document.title = page.title || document.title;
    enhance(document.querySelector("main"));
    document.querySelector("main").dispatchEvent(new Event("lunasite:main", { bubbles: true }));
    const again = document.querySelector("main form[data-upload] input[type=file]");
    if (again && again.name === sent.name) {
      again.files = sent.files;
      again.dispatchEvent(new Event("change", { bubbles: true }));
    }
    // What went wrong, before any notice that the page always has.
    const problem = ["main [role=alert], main .errorlist", "main .notice", "main"]
      .map((selector) => document.querySelector(selector)).find(Boolean);
    problem.tabIndex = -1; // else the keyboard would begin the page anew
    problem.focus({ preventScroll: true });
    problem.scrollIntoView({ block: "center" });
  }

  function lock(form, locked) {
    for (const button of all("button", form)) button.disabled = locked;
    form.setAttribute("aria-busy", locked);
  }

  // button[data-copy="#id"] copies the text of another element.
  function copyButton(button) {
    if (!navigator.clipboard) return;
    button.hidden = false;
    button.addEventListener("click", async () => {
      const source = document.querySelector(button.dataset.copy);
      await navigator.clipboard.writeText((source.value ?? source.textContent).trim());
      const before = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = before; }, 1500);
    });
  }

  // form[data-confirm] or button[data-confirm] asks once before what cannot be undone.
  document.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.confirm || event.target.dataset.confirm;
    if (question && !window.confirm(question)) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  }, true);

  // select[data-submit] sends its form as soon as it changes; its button hides.
  function submitOnChange(select) {
    for (const button of all("button[data-without-script]", select.form)) button.hidden = true;
    select.addEventListener("change", () => select.form.requestSubmit());
  }

  // On a phone the links of the head are one line that scrolls: the open page's own link is in sight.
  function showOpenLink(link) {
    const line = link.parentElement;
    if (line.scrollWidth > line.clientWidth && link.offsetLeft + link.offsetWidth > line.clientWidth - 24) line.scrollLeft = link.offsetLeft - 24;
  }

  // input[data-time-zone] begins with the zone of this browser where the page has none.
  function timeZone(input) {
    if (!input.value) input.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
  }

  function enhance(root) {
    all("input[data-time-zone]", root).forEach(timeZone);
    all(".site-nav > [aria-current]", root).forEach(showOpenLink);
    localTimes(root);
    all(".drop", root).forEach(dropZone);
    all("[data-print]", root).forEach(printButton);
    all("img[data-patient]", root).forEach(patientPicture);
    all(".table-wrap > table", root).forEach(cards);
    all(".table-wrap, pre", root).forEach(scrollable);
    all("form[data-upload]", root).forEach(uploadForm);
    all("button[data-copy]", root).forEach(copyButton);
    all("select[data-submit]", root).forEach(submitOnChange);
    if (window.htmx && root !== document) window.htmx.process(root);
  }

  // A fragment that htmx replaces every few seconds keeps what its reader has unfolded, and says aloud only what is new.
  let unfolded = [];
  let announced = "";
  document.addEventListener("htmx:beforeSwap", (event) => {
    unfolded = [...all("details[open] > summary[id]", event.target)].map((summary) => summary.id);
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of unfolded) document.getElementById(id)?.parentElement.setAttribute("open", "");
    const announcer = document.getElementById("announcer");
    const news = document.querySelector("[data-announce]")?.dataset.announce.replace(/, (about )?[0-9]+ (s|min|h)( left)?/g, "") || "";
    if (announcer && news !== announced) announcer.textContent = news;
    announced = news;
  });

  document.addEventListener("DOMContentLoaded", () => enhance(document));
  document.addEventListener("htmx:afterSwap", (event) => {
    const root = event.target.parentNode || document;
    localTimes(root);
    all(".table-wrap > table", root).forEach(cards);
    all(".table-wrap, pre", root).forEach(scrollable);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches(".phone-switch")) all(".table-wrap").forEach(scrollable);
  });
})();
