/* Filter the lines of a table: a choice for each marked column and a field for words.
   Tables are marked by ftz.tables with data-ftz-filter="column,column". */
"use strict";

(function () {
  function distinct(values) {
    return Array.from(new Set(values)).sort();
  }

  function labelled(text, control) {
    const label = document.createElement("label");
    label.append(text, control);
    return label;
  }

  function choice(values) {
    const select = document.createElement("select");
    select.add(new Option("all", ""));
    values.forEach((value) => select.add(new Option(value, value)));
    return select;
  }

  function enhance(box) {
    const table = box.querySelector("table");
    const rows = Array.from(table.tBodies[0].rows);
    const heads = Array.from(table.tHead.rows[0].cells, (cell) => cell.textContent);
    const columns = box.dataset.ftzFilter.split(",").map(Number);
    const bar = document.createElement("div");
    bar.className = "ftz-filter";
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", "Filter the table");

    const selects = columns.map((column) => {
      const select = choice(distinct(rows.map((row) => row.cells[column].textContent)));
      bar.append(labelled(heads[column], select));
      return select;
    });
    const words = document.createElement("input");
    words.type = "search";
    bar.append(labelled("words", words));
    const count = document.createElement("output");
    bar.append(count);

    function apply() {
      const wanted = words.value.trim().toLowerCase();
      let shown = 0;
      rows.forEach((row) => {
        const fits = selects.every(
          (select, i) => !select.value || row.cells[columns[i]].textContent === select.value
        );
        row.hidden = !(fits && row.textContent.toLowerCase().includes(wanted));
        shown += row.hidden ? 0 : 1;
      });
      count.textContent = shown + " of " + rows.length + " lines";
    }

    bar.addEventListener("input", apply);
    box.before(bar);
    box.tabIndex = 0;
    apply();
  }

  /* The theme takes the focus from its colour switch; whoever pressed a key keeps it. */
  document.addEventListener("click", (event) => {
    const button = event.target.closest(".theme-switch-button");
    if (button && event.detail === 0) setTimeout(() => button.focus());
  });

  document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll(".ftz-table[data-ftz-filter]").forEach(enhance);
  });
})();
