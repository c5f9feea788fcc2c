"use strict";
// Light and dark: what the system says, until the button is pressed.
const root = document.documentElement;
document.getElementById("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});

// Small images are enlarged with sharp pixels; wide ones get more room.
for (const image of document.querySelectorAll(".example img")) {
  const fit = () => {
    if (Math.max(image.naturalWidth, image.naturalHeight) <= 80) image.classList.add("tiny");
    if (image.naturalWidth >= 200) image.closest("li").classList.add("large");
    if (image.naturalWidth > 150 && image.naturalWidth > image.naturalHeight * 1.6) image.closest("li").classList.add("wide");
  };
  image.complete ? fit() : image.addEventListener("load", fit);
}

// Tables are sorted by the column whose head is pressed: downwards first for numbers.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const body = table.tBodies[0];
      const key = (row) => {
        const cell = row.cells[column];
        return cell.dataset.value === undefined ? cell.textContent : cell.dataset.value === "" ? -Infinity : Number(cell.dataset.value);
      };
      const numbers = [...body.rows].every((row) => typeof key(row) === "number");
      const before = head.getAttribute("aria-sort");
      const up = before ? before === "descending" : !numbers;
      const order = (a, b) => (numbers ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true }));
      const rows = [...body.rows].sort((a, b) => order(key(a), key(b)) * (up ? 1 : -1));
      body.append(...rows);
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
    });
  });
}

// Examples: filtered by class, result, score and text, and shown a page at a time.
const PAGE = 24;
for (const browser of document.querySelectorAll("[data-browser]")) {
  const items = [...browser.querySelectorAll(".example")].map((element) => ({
    element,
    groups: JSON.parse(element.dataset.groups),
    text: element.textContent.toLowerCase(),
  }));
  const chosen = (name) => browser.querySelector(`[data-filter="${name}"]`)?.value ?? "";
  const status = browser.querySelector("[data-status]");
  const buttons = [...browser.querySelectorAll("[data-page]")];
  let page = 0;
  const fits = ({ element, groups, text }) => {
    const group = chosen("group"), correct = chosen("correct"), words = chosen("text").toLowerCase();
    const from = Number(chosen("from") || 0), to = chosen("to") === "" ? 1 : Number(chosen("to"));
    const score = element.dataset.score;
    return (!group || groups.includes(group)) && (!correct || element.dataset.correct === correct) &&
      (score === "" || (Number(score) >= from && Number(score) <= to)) && text.includes(words);
  };
  const show = () => {
    const found = items.filter(fits);
    const last = Math.max(0, Math.ceil(found.length / PAGE) - 1);
    page = Math.min(Math.max(page, 0), last);
    const visible = new Set(found.slice(page * PAGE, (page + 1) * PAGE));
    for (const item of items) item.element.hidden = !visible.has(item);
    const first = page * PAGE + 1;
    status.textContent = found.length ? `${first}–${first + visible.size - 1} of ${found.length}` : "No example fits.";
    buttons[0].disabled = page === 0;
    buttons[1].disabled = page === last;
  };
  browser.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
  browser.querySelector("form").addEventListener("input", () => { page = 0; show(); });
  for (const button of buttons) button.addEventListener("click", () => { page += Number(button.dataset.page); show(); });
  show();
}

// Where one is, in the contents.
const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    links.forEach((link) => link.classList.remove("here"));
    links.get(entry.target.id)?.classList.add("here");
  }
}, { rootMargin: "-15% 0px -75% 0px" });
links.forEach((_, id) => { const section = document.getElementById(id); if (section) watcher.observe(section); });
