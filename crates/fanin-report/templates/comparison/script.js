// Without this the page still says everything: lines carry their names, the tables hold the numbers.
// It adds a readout of all starts at one step, which follows mouse and keyboard.
for (const figure of document.querySelectorAll("[data-curve]")) {
  const data = JSON.parse(figure.dataset.curve);
  const svg = figure.querySelector("svg");
  const cursor = figure.querySelector(".cursor");
  if (!data.steps.length) continue;
  let place = -1;
  const at = (k) => (100 * data.steps[k]) / Math.max(data.last, 1);
  const word = (v) => (v === null || v === undefined ? "ran away" : data.percent ? Math.round(100 * v) + " %" : v.toFixed(3));
  const hidden = (k) => figure.closest(".curves").querySelector(".show" + k + ":not(:checked)");
  const show = (k) => {
    place = Math.min(Math.max(k, 0), data.steps.length - 1);
    cursor.setAttribute("x1", at(place) + "%");
    cursor.setAttribute("x2", at(place) + "%");
    cursor.style.visibility = "visible";
    const parts = data.starts.flatMap((s, n) => (s.values.length && !hidden(n) ? [s.name + " " + word(s.values[place])] : []));
    readout.textContent = "step " + Math.round(data.steps[place]) + ": " + parts.join(", ");
  };
  const hide = () => { readout.textContent = ""; cursor.style.visibility = "hidden"; };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const x = (100 * (event.clientX - box.left)) / box.width;
    let best = 0;
    data.steps.forEach((_, k) => { if (Math.abs(at(k) - x) < Math.abs(at(best) - x)) best = k; });
    show(best);
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("focus", () => show(place < 0 ? data.steps.length - 1 : place));
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -data.steps.length, End: data.steps.length }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    show(place + step);
  });
}
