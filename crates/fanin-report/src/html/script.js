// Without this the page still says everything: dots carry titles, the tables hold the numbers.
// It adds a readout that follows mouse and keyboard, the same layer marked in both curves.
"use strict";
const readout = document.getElementById("readout");
const dots = [...document.querySelectorAll(".dot")];
const mark = (layer) => dots.forEach((d) => d.classList.toggle("here", d.dataset.layer === layer));
for (const figure of document.querySelectorAll(".curve")) {
  const own = [...figure.querySelectorAll(".dot")];
  const svg = figure.querySelector("svg");
  const show = (dot) => {
    readout.textContent = dot.querySelector("title").textContent;
    mark(dot.dataset.layer);
  };
  const nearest = (event) => {
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    return own.reduce((a, b) => (Math.abs(b.cx.baseVal.value - x) < Math.abs(a.cx.baseVal.value - x) ? b : a));
  };
  if (!own.length) continue;
  svg.addEventListener("pointermove", (event) => show(nearest(event)));
  svg.addEventListener("pointerleave", () => { readout.textContent = ""; mark(""); });
  svg.addEventListener("click", (event) => { location.hash = "layer-" + nearest(event).dataset.layer; });
  // One stop for the keyboard per curve; arrows go from layer to layer, Enter to its row.
  own.forEach((dot, index) => {
    dot.tabIndex = index ? -1 : 0;
    dot.addEventListener("focus", () => show(dot));
    dot.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, Home: -index, End: own.length - 1 - index }[event.key];
      if (event.key === "Enter") location.hash = "layer-" + dot.dataset.layer;
      if (step === undefined) return;
      event.preventDefault();
      const next = own[Math.min(Math.max(index + step, 0), own.length - 1)];
      dot.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  });
}
