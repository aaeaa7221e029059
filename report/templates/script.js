"use strict";
(() => {
  const { kinds, config, looks, words } = JSON.parse(document.getElementById("settings").textContent);
  const facets = ["model", "device", "batch", "mode", "framework"];
  const form = document.getElementById("filter");
  const boxes = [...form.querySelectorAll("input[name=framework]")];
  const marked = [...document.querySelectorAll(facets.map((name) => `[data-${name}]`).join())];
  const comparisons = [...document.querySelectorAll(".comparison")];
  const title = document.getElementById("title");
  const told = title.textContent;
  let [wanted, missing] = [{}, ""];

  // What is chosen, as a set of values by facet; the address says the same: #model=lenet&framework=torch,jax
  const chosen = () => {
    const found = {};
    for (const select of form.querySelectorAll("select")) {
      if (select.value) found[select.name] = new Set([select.value]);
    }
    const ticked = boxes.filter((box) => box.checked).map((box) => box.value);
    if (ticked.length < boxes.length) found.framework = new Set(ticked);
    return found;
  };

  const address = (at = "") => {
    const parts = Object.entries(wanted).map(([name, values]) => `${name}=${[...values].map(encodeURIComponent).join()}`);
    return `#${(parts.length && at ? [...parts, `at=${at}`] : at ? [at] : parts).join("&")}`;
  };

  const choose = () => {
    const asked = new Map(location.hash.slice(1).split("&").filter((part) => part.includes("=")).map((part) => {
      const [name, values] = part.split("=");
      return [name, values.split(",").map((value) => { try { return decodeURIComponent(value); } catch { return value; } })];
    }));
    const unknown = new Set([...asked.keys()].filter((name) => name !== "at" && asked.get(name).join()));
    for (const select of form.querySelectorAll("select")) {
      const [value] = asked.get(select.name) ?? [""];
      select.value = [...select.options].some((option) => option.value === value) ? value : "";
      if (select.value) unknown.delete(select.name);
    }
    const names = asked.get("framework");
    const known = names?.some((name) => boxes.some((box) => box.value === name));
    for (const box of boxes) box.checked = !known || names.includes(box.value);
    if (known) unknown.delete("framework");
    missing = [...unknown].map((name) => `${name}=${asked.get(name).join()}`).join(", ");
    return asked.get("at")?.[0] ?? location.hash.slice(1);
  };

  const passes = (values, names = facets) => names.every((name) => !(name in wanted && name in values) || wanted[name].has(values[name]));

  // Charts: drawn once they come near the window, and anew whenever the filter changes what they hold.
  const drawn = new Map();
  const filled = (part, records) => {
    if (Array.isArray(part)) return part.map((item) => filled(item, records));
    if (part === null || typeof part !== "object") return part;
    if (part.distinct) return [...new Set(records.map((record) => record[part.distinct]).filter((value) => value !== undefined))].sort((a, b) => (a < b ? -1 : 1));
    if (part.rows) return part.each * filled({ distinct: part.rows }, records).length;
    if (part.look) return filled({ distinct: "framework" }, records).map((name) => (looks[name] ?? looks[name.split("@")[0]] ?? looks[""])[part.look]);
    return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, filled(value, records)]));
  };
  const draw = (figure) => {
    const place = figure.querySelector(".drawing");
    const records = JSON.parse(figure.querySelector("script").textContent).filter((record) => passes(record));
    const legend = { ...config.legend, columns: Math.max(2, Math.floor(place.clientWidth / 95)) };
    const spec = { ...filled(kinds[place.dataset.drawn], records), data: { values: records }, config: { ...config, legend }, width: "container", autosize: { type: "fit-x", contains: "padding" } };
    drawn.get(figure)?.finalize?.();
    drawn.set(figure, {});
    const options = { ast: true, renderer: "svg", actions: false, defaultStyle: false, tooltip: false, logLevel: 1, mode: "vega-lite" };
    vegaEmbed(place, spec, options).then((result) => {
      drawn.set(figure, result);
      place.querySelector("svg").setAttribute("aria-hidden", "true"); // the figure around it says in words what it shows
      place.dataset.ready = records.length;
    });
  };
  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting && !drawn.has(target)) draw(target);
  }, { rootMargin: "600px" });
  const redraw = () => {
    for (const [figure, made] of drawn) {
      made.finalize?.();
      delete figure.querySelector(".drawing").dataset.ready;
    }
    drawn.clear();
    for (const figure of document.querySelectorAll(".chart")) {
      near.unobserve(figure);
      near.observe(figure);
    }
  };

  // Comparisons: of each network and device the first that has what is chosen, each framework in its best mode of that.
  const ratioOf = (line) => line.cells[3];
  const kept = new Map();
  const keep = (item) => {
    if (!kept.has(item)) kept.set(item, [...item.childNodes]);
    return item;
  };
  const restore = (item) => item.replaceChildren(...kept.get(item));
  const say = (cell, text, note) => {
    const [value, small] = [document.createElement("span"), document.createElement("small")];
    [value.textContent, small.textContent] = [text, note];
    cell.replaceChildren(value, " ", ...(note ? [small] : []));
  };
  const linesOf = (article) => {
    const seen = new Set();
    return [...article.querySelectorAll("tbody tr:not(.group)")].filter((line) => {
      if (!passes(line.dataset, ["mode", "framework"]) || seen.has(line.dataset.framework)) return false;
      return seen.add(line.dataset.framework);
    });
  };
  const verdictOf = (line) => ratioOf(line).querySelector("small")?.textContent ?? "";
  const listed = (names) => names.join(", ").replace(/, ([^,]*)$/, " and $1");
  const standing = (lines) => {
    if (lines.length < 2) return "alone";
    const near = new Set(lines.slice(1).map(verdictOf).filter((verdict) => verdict !== words.surely));
    return !near.size ? words.surely : near.has(words.few) ? "few" : near.size === 1 && near.has(words.tie) ? words.tie : words.unsure;
  };
  const compared = (article) => {
    const all = [...article.querySelectorAll("tbody tr:not(.group)")];
    const lines = linesOf(article);
    const first = all.indexOf(lines[0]);
    for (const line of all) {
      line.hidden = !lines.includes(line);
      const cell = keep(ratioOf(line));
      const versus = JSON.parse(line.dataset.versus ?? "[]");
      if (first > 0 && line === lines[0]) say(cell, words.best, "");
      else if (first > 0 && !line.hidden && versus[first]) say(cell, ...versus[first]);
      else restore(cell);
    }
    const [place, sentence] = [article.dataset.model, keep(article.querySelector(".answer"))];
    if (!Object.keys(wanted).length) restore(sentence);
    else {
      const [speed, within] = ["span", "small"].map((tag) => lines[0].cells[2].querySelector(tag)?.textContent);
      const groups = new Map();
      for (const line of lines.slice(1)) groups.set(verdictOf(line), [...(groups.get(verdictOf(line)) ?? []), line]);
      const told = [...groups].map(([verdict, mine]) => {
        const [names, ratios] = [mine.map((line) => line.dataset.framework), mine.map((line) => ratioOf(line).firstChild.textContent)];
        if (verdict === words.tie) return `${listed(names)} ${verdict}`;
        return `${names.map((name, place) => `${name} ${ratios[place]}`).join(", ")} of it${verdict === words.few ? "" : `, ${verdict}`}`;
      });
      const chosen = all.length > new Set(all.map((line) => line.dataset.framework)).size;
      const first = `${lines[0].dataset.framework}${chosen ? ` (${lines[0].dataset.mode})` : ""} ${speed} samples/s${within ? ` (${within})` : ""}`;
      sentence.textContent = `${article.dataset.named}: ${[first, ...told].join("; ")}${article.dataset.provisional ?? ""}.`;
    }
    const [verb, end] = words.leads[standing(lines)] ?? words.leads.other;
    return `${lines[0].dataset.framework} ${verb} ${place}${article.dataset.where}${end}`;
  };
  const answer = () => {
    const active = Object.keys(wanted).length > 0;
    const groups = new Map();
    const fits = (article) => passes(article.dataset, ["model", "device", "batch"]) && linesOf(article).length > 0;
    const leading = (article) => active && "model" in wanted ? true : "lead" in article.dataset;
    const found = comparisons.filter(fits);
    for (const article of found.some(leading) ? found.filter(leading) : found) {
      const key = [article.closest("section").id, article.dataset.model, article.dataset.device].join();
      if (!groups.has(key)) groups.set(key, article);
    }
    const empty = comparisons.length > 0 && groups.size === 0;
    const shown = new Set(empty ? comparisons.filter((article) => "shown" in article.dataset) : groups.values());
    const titles = [];
    for (const article of comparisons) {
      article.hidden = !shown.has(article);
      if (shown.has(article) && !empty) titles.push([article.closest("section"), compared(article)]);
    }
    title.textContent = !active ? told : empty ? words.nothing : [...new Set(titles.map(([, clause]) => clause))].join("; ");
    return empty;
  };

  const filter = () => {
    wanted = chosen();
    const active = Object.keys(wanted).length > 0;
    document.getElementById("shown").textContent = missing ? `${words.unknown}${missing}` : active ? words.link : "";
    if (answer()) wanted = {};
    for (const item of marked.filter((item) => !item.closest(".comparison"))) {
      const best = !item.closest(".best") || "mode" in wanted || !("mode" in item.dataset) || item.dataset.mode === "best";
      item.hidden = !(passes(item.dataset) && best);
    }
    for (const body of document.querySelectorAll("tbody")) {
      const mine = [...body.querySelectorAll("tr:not(.group)")];
      body.hidden = mine.length > 0 && mine.every((line) => line.hidden);
    }
    for (const table of document.querySelectorAll(".scroll")) {
      table.hidden = [...table.querySelectorAll("tbody")].every((body) => body.hidden);
    }
    redraw();
  };

  // Tables are sorted by their headings.
  const key = (line, column) => {
    const cell = line.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value) : cell.firstChild ? cell.firstChild.textContent : "";
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
  const sort = (heading) => {
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    for (const body of heading.closest("table").tBodies) {
      const mine = [...body.rows].filter((line) => !line.classList.contains("group"));
      const missing = (line) => ["–", ""].includes(key(line, heading.cellIndex));
      mine.sort((a, b) => {
        if (missing(a) !== missing(b)) return missing(a) - missing(b);
        return (down ? -1 : 1) * compare(key(a, heading.cellIndex), key(b, heading.cellIndex));
      });
      body.append(...mine);
    }
  };
  for (const heading of document.querySelectorAll(".scroll:not(.matrix):not(.fixed):not(.five) thead th")) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.querySelector("span").childNodes);
    heading.querySelector("span").append(button);
    button.addEventListener("click", () => sort(heading));
  }

  // A link inside the page keeps the filter in the address, and opens what is folded.
  const go = (name) => {
    const target = document.getElementById(name);
    for (let fold = target?.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    target?.scrollIntoView();
  };
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#']");
    if (!link || link.classList.contains("skip")) return;
    event.preventDefault();
    history.pushState(null, "", address(link.hash.slice(1)));
    go(link.hash.slice(1));
  });
  const changed = () => {
    missing = "";
    filter();
    history.replaceState(null, "", address());
  };
  form.addEventListener("input", changed);
  form.addEventListener("reset", () => setTimeout(changed));
  form.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => { choose(); filter(); });
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((item) => { item.open = true; }));
  form.hidden = false;
  const at = choose();
  filter();
  if (at) go(at);
})();
