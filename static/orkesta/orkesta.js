// What the admin's own pages need besides htmx and Alpine: copying, and going to a line of a text.
"use strict";

document.addEventListener("click", (event) => {
  const copy = event.target.closest("[data-copy]");
  if (copy) {
    const text = copy.closest(".ork-copyable").querySelector("pre").textContent;
    const label = copy.querySelector("span:last-child");
    const before = label.textContent;
    copyText(text).then(() => {
      label.textContent = copy.dataset.done;
      setTimeout(() => { label.textContent = before; }, 2000);
    });
  }
  const problem = event.target.closest("[data-line]");
  if (problem) {
    goToLine(document.getElementById("id_source"), Number(problem.dataset.line));
  }
});

// The clipboard is there only on secure pages; on plain http a selection is copied instead.
async function copyText(text) {
  if (navigator.clipboard) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

function goToLine(area, line) {
  if (!area || line < 1) {
    return;
  }
  const lines = area.value.split("\n");
  const start = lines.slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
  area.focus();
  area.setSelectionRange(start, start + (lines[line - 1] || "").length);
  area.scrollTop = (line - 4) * parseFloat(getComputedStyle(area).lineHeight);
}
