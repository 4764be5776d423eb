// Names for fields that Django's forms and select boxes leave without one; screen readers read them out.
"use strict";
(() => {
  const text = (element) => element ? element.textContent.replace(/\s+/g, " ").trim().replace(/:$/, "") : "";
  const hasName = (field) => field.labels?.length || field.getAttribute("aria-label") || field.getAttribute("aria-labelledby");

  // The label of the field's row, or the head of its column where a row of a table holds one form.
  const nameOf = (field) => {
    const cell = field.closest(".tabular td");
    if (cell) return text(cell.closest("table").tHead.rows[0].cells[cell.cellIndex]);
    return text(field.closest(".flex-container, .fieldBox, .form-row")?.querySelector("label, legend"));
  };

  // Django draws a time as two fields, "Date:" and "Time:", under one label.
  const partOf = (field) => field.classList.contains("vDateField") ? " (date)" : field.classList.contains("vTimeField") ? " (time)" : "";

  const nameBoxes = (select) => {
    const box = select.parentElement.querySelector(".select2-container");
    if (!box) return;
    for (const part of box.querySelectorAll(".select2-selection, .select2-selection__rendered[role], .select2-search__field")) {
      part.setAttribute("aria-label", nameOf(select));
    }
  };

  const nameAll = () => {
    for (const field of document.querySelectorAll("#content form :is(input:not([type=hidden], [type=submit]), select, textarea)")) {
      if (!hasName(field) && nameOf(field)) field.setAttribute("aria-label", nameOf(field) + partOf(field));
    }
    document.querySelectorAll("select.admin-autocomplete").forEach(nameBoxes);
    // A label on a bare span is read by nobody; as a picture it is.
    document.querySelectorAll("span.search-label-icon[aria-label]").forEach((icon) => icon.setAttribute("role", "img"));
  };

  // Select boxes and further rows of a table are drawn after the page has loaded.
  addEventListener("load", () => {
    nameAll();
    const content = document.getElementById("content");
    if (content) new MutationObserver(nameAll).observe(content, { childList: true, subtree: true });
  });
  addEventListener("load", () => window.django?.jQuery?.(document).on("select2:open", (event) => {
    document.querySelector(".select2-dropdown .select2-search__field")?.setAttribute("aria-label", `Search: ${nameOf(event.target)}`);
  }));
})();
