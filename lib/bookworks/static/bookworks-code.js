/* One button in the header opens or folds the code of all cells, and the browser remembers it.
   Loaded in the head: what is to be open is opened as the parser meets it, and nothing jumps. */
"use strict";

(function () {
  const root = document.documentElement;
  const key = "bookworks-code";
  const folds = () => document.querySelectorAll("div.cell details.hide.above-input");
  const button = () => document.querySelector(".btn-code-switch-button");
  let open = false;
  try {
    open = localStorage.getItem(key) === "open";
  } catch {
    // a browser that keeps nothing folds the code each time
  }

  function show() {
    folds().forEach((fold) => (fold.open = open));
    button()?.setAttribute("aria-pressed", String(open));
  }

  window.bookworksCode = function () {
    open = !open;
    try {
      localStorage.setItem(key, open ? "open" : "folded");
    } catch {
      // as above
    }
    show();
  };

  root.dataset.code = "switch";
  if (open) {
    const parsed = new MutationObserver(() => folds().forEach((fold) => (fold.open = true)));
    parsed.observe(root, { childList: true, subtree: true });
    document.addEventListener("DOMContentLoaded", () => parsed.disconnect());
  }
  document.addEventListener("DOMContentLoaded", show);
})();
