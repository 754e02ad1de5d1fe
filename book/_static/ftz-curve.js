/* Explore a specification curve: filter by choice, point at it or walk along it with the
   arrow keys.  The data stand in the page as JSON, put there by specgrid.figures;
   nothing is fetched.  Without this script the still figure beside it shows the curve. */
"use strict";

(function () {
  const HEIGHT = 260;
  const LINE = 13;
  const KEYS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };

  function element(name, className, text) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text) made.textContent = text;
    return made;
  }

  function number(value) {
    if (value === null) return "none";
    const size = Math.abs(value);
    return size !== 0 && (size < 0.001 || size >= 10000) ? value.toExponential(2) : value.toFixed(3);
  }

  function middle(sorted) {
    const half = Math.floor(sorted.length / 2);
    return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  }

  /* A specification's level of a choice, in words. */
  function words(board, place) {
    const code = board.codes[place];
    if (!board.many) return board.levels[code];
    return board.levels.filter((_, bit) => (code >> bit) & 1).join(", ") || "none";
  }

  /* ---- filters: each returns the test that a specification must pass ---- */

  function tickFilter(board, group, changed) {
    const boxes = board.levels.map((level) => {
      const label = element("label");
      const box = element("input");
      box.type = "checkbox";
      box.checked = true;
      label.append(box, element("span", "", level));
      group.append(label);
      box.addEventListener("change", changed);
      return box;
    });
    return {
      reset: () => boxes.forEach((box) => (box.checked = true)),
      test: (place) => boxes[board.codes[place]].checked,
    };
  }

  function setFilter(board, group, changed) {
    const selects = board.levels.map((level) => {
      const label = element("label", "ftz-curve-set");
      const select = element("select");
      [["", "any"], ["1", "yes"], ["0", "no"]].forEach(([v, t]) => select.add(new Option(t, v)));
      label.append(element("span", "", level), select);
      group.append(label);
      select.addEventListener("change", changed);
      return select;
    });
    return {
      reset: () => selects.forEach((select) => (select.value = "")),
      test: (place) =>
        selects.every(
          (select, bit) => select.value === "" || ((board.codes[place] >> bit) & 1) === +select.value
        ),
    };
  }

  /* ---- drawing ---- */

  function drawing(canvas, data, look) {
    const lines = [];
    data.boards.forEach((board) => {
      lines.push({ head: board.choice });
      board.levels.forEach((level, at) => lines.push({ board, level, at }));
    });
    const height = HEIGHT + lines.length * LINE + 8;
    canvas.style.height = height + "px";
    let width = 0;
    let left = 46;

    /* The longest level that fits into two fifths of the width sets the margin. */
    function margin(ink) {
      const levels = lines.filter((line) => line.level);
      const widest = Math.max(38, ...levels.map((line) => ink.measureText(line.level).width));
      return Math.min(widest, width * 0.4) + 8;
    }

    function fitted(ink, text) {
      if (ink.measureText(text).width <= left - 8) return text;
      let kept = text;
      while (kept && ink.measureText(kept + "…").width > left - 8) kept = kept.slice(0, -1);
      return kept + "…";
    }

    function has(line, place) {
      const code = line.board.codes[place];
      return line.board.many ? (code >> line.at) & 1 : code === line.at;
    }

    function range(shown) {
      const ends = (values, share) => {
        const sorted = shown.map((i) => values[i]).filter((v) => v !== null).sort((a, b) => a - b);
        return sorted.length ? sorted[Math.round(share * (sorted.length - 1))] : 0;
      };
      const first = data.estimate[shown[0]];
      const last = data.estimate[shown[shown.length - 1]];
      const low = Math.min(0, first, ends(data.lower, 0.02));
      const high = Math.max(0, last, ends(data.upper, 0.98));
      const room = 0.05 * (high - low) || 1;
      return [low - room, high + room];
    }

    return {
      /* Return the rank at a horizontal place. */
      rank: (x, count) => {
        const at = Math.floor(((x - left) / (width - left)) * count);
        return Math.max(0, Math.min(count - 1, at));
      },
      draw: (shown, current) => {
        const ratio = window.devicePixelRatio || 1;
        width = canvas.clientWidth;
        canvas.width = Math.round(width * ratio);
        canvas.height = Math.round(height * ratio);
        const ink = canvas.getContext("2d");
        const colour = look();
        ink.scale(ratio, ratio);
        ink.clearRect(0, 0, width, height);
        ink.font = "11px sans-serif";
        ink.textBaseline = "middle";
        left = margin(ink);
        if (!shown.length) return;
        const [low, high] = range(shown);
        const step = (width - left) / shown.length;
        const x = (rank) => left + (rank + 0.5) * step;
        const y = (value) => ((high - value) / (high - low)) * (HEIGHT - 10) + 5;
        const clip = (value) => Math.max(low, Math.min(high, value));

        ink.fillStyle = colour.text;
        ink.textAlign = "right";
        const unit = Math.pow(10, Math.floor(Math.log10(high - low)));
        const every = (high - low) / unit > 4 ? unit : unit / ((high - low) / unit > 2 ? 2 : 5);
        for (let v = Math.ceil(low / every) * every; v < high; v += every) {
          ink.fillText(String(+v.toFixed(10)), left - 6, y(v));
        }
        ink.strokeStyle = colour.text;
        ink.lineWidth = 0.7;
        ink.beginPath();
        ink.moveTo(left, y(0));
        ink.lineTo(width, y(0));
        ink.stroke();

        /* Many intervals to a pixel column are drawn as one: the mean of their ends. */
        const columns = Math.max(1, Math.min(shown.length, Math.floor(width - left)));
        const column = (rank) => Math.floor((rank * columns) / shown.length);
        const ends = Array.from({ length: columns }, () => [0, 0, 0]);
        shown.forEach((place, rank) => {
          if (data.lower[place] === null) return;
          const sum = ends[column(rank)];
          sum[0] += data.lower[place];
          sum[1] += data.upper[place];
          sum[2] += 1;
        });
        const wide = (width - left) / columns;
        ink.strokeStyle = colour.bar;
        ink.lineWidth = wide < 4 ? wide : 3;
        ink.beginPath();
        ends.forEach(([from, to, count], at) => {
          if (!count) return;
          ink.moveTo(left + (at + 0.5) * wide, y(clip(from / count)));
          ink.lineTo(left + (at + 0.5) * wide, y(clip(to / count)));
        });
        ink.stroke();
        const size = Math.max(2, Math.min(5, step));
        shown.forEach((place, rank) => {
          const significant = data.p[place] !== null && data.p[place] < data.level;
          ink.fillStyle = significant ? colour.on : colour.off;
          const tall = significant ? size : size / 2;
          ink.fillRect(x(rank) - size / 2, y(data.estimate[place]) - tall / 2, size, tall);
        });

        /* One shade a pixel column tells the share of its specifications with a level. */
        lines.forEach((line, row) => {
          const top = HEIGHT + 4 + row * LINE;
          ink.fillStyle = colour.text;
          if (line.head) {
            ink.textAlign = "left";
            ink.font = "bold 11px sans-serif";
            ink.fillText(line.head, left, top + LINE / 2);
            ink.font = "11px sans-serif";
            return;
          }
          const share = new Float32Array(columns);
          const total = new Float32Array(columns);
          shown.forEach((place, rank) => {
            const at = column(rank);
            total[at] += 1;
            if (has(line, place)) share[at] += 1;
          });
          for (let c = 0; c < columns; c += 1) {
            if (!share[c]) continue;
            ink.globalAlpha = 0.15 + 0.6 * (share[c] / total[c]);
            ink.fillRect(left + c * wide, top + 2, wide, LINE - 3);
          }
          ink.globalAlpha = 1;
          ink.textAlign = "right";
          ink.fillText(fitted(ink, line.level), left - 6, top + LINE / 2);
        });

        ink.strokeStyle = colour.text;
        ink.lineWidth = 1;
        ink.beginPath();
        ink.moveTo(x(current), 0);
        ink.lineTo(x(current), height);
        ink.stroke();
        ink.beginPath();
        ink.arc(x(current), y(data.estimate[shown[current]]), 5, 0, 2 * Math.PI);
        ink.stroke();
      },
    };
  }

  function enhance(box) {
    const data = JSON.parse(box.querySelector("script").textContent);
    const title = box.dataset.title;
    const percent = Math.round(data.level * 100) + "%";
    const heading = element("p", "ftz-curve-title", title);
    const status = element("p", "ftz-curve-status");
    status.setAttribute("role", "status");
    const plot = element("div", "ftz-curve-plot");
    plot.tabIndex = 0;
    plot.setAttribute("role", "slider");
    plot.setAttribute("aria-label", title + ": specifications in the order of their estimates");
    const canvas = element("canvas");
    canvas.setAttribute("aria-hidden", "true");
    plot.append(canvas);
    const spec = element("p", "ftz-curve-spec");
    const filters = element("div", "ftz-curve-filters");
    const reset = element("button", "", "Show all");
    reset.type = "button";
    heading.style.fontWeight = "600";
    box.append(heading, status, plot, spec, filters, reset);
    box.hidden = false;

    let shown = [];
    let current = 0;
    let waiting = 0;
    const look = () => {
      const style = getComputedStyle(box);
      const of = (name) => style.getPropertyValue("--ftz-curve-" + name).trim();
      return { text: style.color, ground: style.backgroundColor, on: of("on"), off: of("off"), bar: of("bar") };
    };
    const picture = drawing(canvas, data, look);
    const rules = data.boards.map((board) => {
      const group = element("fieldset");
      group.append(element("legend", "", board.choice));
      filters.append(group);
      return (board.many ? setFilter : tickFilter)(board, group, apply);
    });

    function redraw() {
      if (waiting) return;
      waiting = requestAnimationFrame(() => {
        waiting = 0;
        picture.draw(shown, current);
      });
    }

    function point(rank) {
      if (!shown.length) return;
      current = Math.max(0, Math.min(shown.length - 1, rank));
      const i = shown[current];
      const where = "Specification " + (current + 1) + " of " + shown.length;
      const ends = data.lower[i] === null ? "" : ", 95% interval " + number(data.lower[i]) + " to " + number(data.upper[i]);
      const chosen = data.boards.map((board) => board.choice + ": " + words(board, i)).join("; ");
      const text = where + ": estimate " + number(data.estimate[i]) + ends + ", p " + number(data.p[i]) + ". " + chosen + ".";
      spec.textContent = text;
      plot.setAttribute("aria-valuenow", String(current + 1));
      plot.setAttribute("aria-valuetext", text);
      redraw();
    }

    function apply() {
      const before = shown[current];
      shown = [];
      for (let i = 0; i < data.n; i += 1) {
        if (rules.every((rule) => rule.test(i))) shown.push(i);
      }
      plot.setAttribute("aria-valuemin", shown.length ? "1" : "0");
      plot.setAttribute("aria-valuemax", String(shown.length));
      if (!shown.length) {
        status.textContent = "None of " + data.n + " specifications has these levels.";
        spec.textContent = "";
        plot.setAttribute("aria-valuenow", "0");
        plot.setAttribute("aria-valuetext", "none");
        redraw();
        return;
      }
      const significant = shown.filter((i) => data.p[i] !== null && data.p[i] < data.level);
      const up = significant.filter((i) => data.estimate[i] > 0).length;
      const share = (count) => Math.round((100 * count) / shown.length) + "%";
      status.textContent =
        shown.length + " of " + data.n + " specifications shown; median estimate " +
        number(middle(shown.map((i) => data.estimate[i]))) + "; significant at " + percent +
        ": " + share(up) + " positive, " + share(significant.length - up) + " negative.";
      const kept = shown.indexOf(before);
      point(kept >= 0 ? kept : Math.floor(shown.length / 2));
    }

    plot.addEventListener("keydown", (event) => {
      const step = KEYS[event.key] || 0;
      let to = current + step * (Math.abs(step) > 1 ? Math.max(1, Math.floor(shown.length / 100)) : 1);
      if (event.key === "Home") to = 0;
      else if (event.key === "End") to = shown.length - 1;
      else if (!step) return;
      event.preventDefault();
      point(to);
    });
    plot.addEventListener("focus", () => point(current));
    canvas.addEventListener("pointermove", (event) => point(picture.rank(event.offsetX, shown.length)));
    canvas.addEventListener("pointerdown", (event) => point(picture.rank(event.offsetX, shown.length)));
    reset.addEventListener("click", () => {
      rules.forEach((rule) => rule.reset());
      apply();
    });
    new ResizeObserver(redraw).observe(plot);
    new MutationObserver(redraw).observe(document.documentElement, {
      attributes: true,
      attributeFilter: ["data-theme"],
    });
    apply();
  }

  function start() {
    document.querySelectorAll(".ftz-curve").forEach(enhance);
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
