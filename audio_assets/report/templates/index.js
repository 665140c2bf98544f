"use strict";
for (const filters of document.querySelectorAll(".filters")) {
  const table = document.getElementById(filters.dataset.for), body = table.tBodies[0];
  const rows = [...body.rows], find = filters.querySelector("input"), state = filters.querySelector("select");
  const count = filters.querySelector("output"), headings = [...table.tHead.rows[0].cells];
  const order = (row, column) => row.cells[column].dataset.order;

  const filter = () => {
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden = (state.value && row.dataset.state !== state.value) || !words.every((word) => text.includes(word));
      shown += row.hidden ? 0 : 1;
    }
    count.textContent = `${shown} shown`;
  };
  const sort = (column, descending) => {
    const compare = (a, b) => {
      const [x, y] = [order(a, column), order(b, column)];
      if (x === "" || y === "") return (x === "") - (y === ""); // unknown values stay last
      const by = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
      return descending ? -by : by;
    };
    rows.sort(compare);
    body.append(...rows);
  };
  headings.forEach((heading, column) => heading.querySelector("button").addEventListener("click", () => {
    const last = heading.getAttribute("aria-sort"), first = heading.dataset.first || "ascending";
    const next = last ? (last === "ascending" ? "descending" : "ascending") : first;
    headings.forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", next);
    sort(column, next === "descending");
  }));
  find.addEventListener("input", filter);
  state.addEventListener("change", filter);
}
