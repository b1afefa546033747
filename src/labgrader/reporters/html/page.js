"use strict";
(() => {
  const body = document.querySelector("#table tbody");
  const rows = [...body.rows];
  const pages = new Map([...document.querySelectorAll("details.student")].map((page) => [page.id, page]));
  const found = document.getElementById("found");
  const search = document.getElementById("search");
  const fold = (text) => text.normalize("NFKC").toLowerCase();
  const entries = rows.map((row, place) => {
    const page = pages.get(decodeURIComponent(row.querySelector("a").hash.slice(1)));
    const text = [...row.cells].slice(0, 4).map((cell) => cell.textContent.trim());
    const lost = fold(row.dataset.lost || "");
    return { row, page, place, words: fold(text.join(" ")), lost, each: new Set(lost.split(" ")), student: text[0], name: text[1], status: text[3],
      score: row.dataset.score === "" ? null : Number(row.dataset.score) };
  });

  // Every word must be there, in any order: in what is seen of a student, or in a check that the student lost.
  const checks = new Set([...document.querySelectorAll("[data-check]")].map((pick) => fold(pick.dataset.check)));
  const has = (entry, word) =>
    entry.words.includes(word) || (checks.has(word) ? entry.each.has(word) : entry.lost.includes(word));
  const filter = () => {
    const words = fold(search.value).split(/\s+/).filter(Boolean);
    let count = 0;
    for (const entry of entries) {
      const fits = words.every((word) => has(entry, word));
      entry.row.hidden = !fits;
      if (entry.page) entry.page.hidden = !fits;
      count += fits ? 1 : 0;
    }
    found.textContent = `${count} of ${entries.length}`;
  };
  search.addEventListener("input", filter);
  // Not the search: a phone would put its keyboard over what was asked for.
  const heading = document.querySelector("#students h2");
  for (const pick of document.querySelectorAll("[data-check]")) {
    pick.addEventListener("click", () => {
      search.value = pick.dataset.check;
      filter();
      heading.focus();
      heading.scrollIntoView();
    });
  }

  // A mark tells its check to who points at it; made only then, for there are thousands.
  const legend = [...document.querySelectorAll("#legend li")].map((item) => item.textContent);
  body.addEventListener("pointerover", (event) => {
    const mark = event.target.closest(".checks i");
    if (mark && !mark.title) mark.title = legend[[...mark.parentNode.children].indexOf(mark)] || "";
  });

  // Who has no score stands at the end, whichever way the scores are sorted.
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const compare = (key, sign) => (a, b) => {
    if (key === "score") {
      if (a.score === null || b.score === null) return (a.score === null) - (b.score === null) || a.place - b.place;
      return sign * (a.score - b.score) || a.place - b.place;
    }
    return sign * collator.compare(a[key], b[key]) || a.place - b.place;
  };
  for (const button of document.querySelectorAll("#table th button")) {
    button.addEventListener("click", () => {
      const heading = button.closest("th");
      const down = heading.getAttribute("aria-sort") === "ascending";
      for (const other of heading.parentNode.cells) other.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      body.append(...[...entries].sort(compare(button.dataset.key, down ? -1 : 1)).map((entry) => entry.row));
    });
  }

  // A link to a student's page opens it, and shows it although the search had put it away.
  const open = () => {
    const page = pages.get(decodeURIComponent(location.hash.slice(1)));
    if (!page) return;
    if (page.hidden) { search.value = ""; filter(); }
    page.open = true;
    page.querySelector("summary").focus({ preventScroll: true });
    page.scrollIntoView();
  };
  window.addEventListener("hashchange", open);
  // The address may already be the one that is clicked on.
  document.addEventListener("click", (event) => {
    const link = event.target.closest('a[href^="#"]');
    if (link && link.hash === location.hash) open();
  });
  open();
})();
