"use strict";
(() => {
  const facets = ["model", "device", "batch", "mode", "framework"];
  const form = document.getElementById("filter");
  const marked = [...document.querySelectorAll(facets.map((name) => `[data-${name}]`).join())];
  const lines = marked.filter((item) => item.matches("tr"));

  const filter = () => {
    const wanted = {};
    for (const name of facets) {
      const select = form.querySelector(`select[name=${name}]`);
      if (select && select.value) wanted[name] = new Set([select.value]);
    }
    const boxes = [...form.querySelectorAll("input[name=framework]")];
    if (boxes.some((box) => !box.checked)) {
      wanted.framework = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    }
    for (const item of marked) {
      const out = facets.some((name) => name in wanted && name in item.dataset && !wanted[name].has(item.dataset[name]));
      item.toggleAttribute("hidden", out);
    }
    for (const title of document.querySelectorAll("tr.group")) {
      const mine = [...title.parentElement.querySelectorAll("tr:not(.group)")];
      title.toggleAttribute("hidden", mine.length > 0 && mine.every((line) => line.hidden));
    }
    const shown = lines.filter((line) => !line.hidden).length;
    document.getElementById("shown").textContent =
      shown === lines.length ? "" : `${shown} of ${lines.length} table lines shown`;
  };

  const key = (line, column) => {
    const cell = line.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value) : cell.firstChild ? cell.firstChild.textContent : "";
  };

  const compare = (a, b) => {
    if (typeof a === "number" && typeof b === "number") return a - b;
    return String(a).localeCompare(String(b), "en", { numeric: true });
  };

  const sort = (heading) => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    for (const body of heading.closest("table").tBodies) {
      const mine = [...body.rows].filter((line) => !line.classList.contains("group"));
      const missing = (line) => key(line, heading.cellIndex) === "–" || key(line, heading.cellIndex) === "";
      mine.sort((a, b) => {
        if (missing(a) !== missing(b)) return missing(a) - missing(b);
        return (down ? -1 : 1) * compare(key(a, heading.cellIndex), key(b, heading.cellIndex));
      });
      body.append(...mine);
    }
  };

  for (const heading of document.querySelectorAll(".scroll:not(.matrix):not(.fixed) thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.querySelector("span").childNodes);
    heading.querySelector("span").append(button);
    button.addEventListener("click", () => sort(heading));
  }
  form.addEventListener("input", filter);
  form.addEventListener("reset", () => setTimeout(filter));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((item) => { item.open = true; }));
  form.hidden = false;
  filter();
})();
