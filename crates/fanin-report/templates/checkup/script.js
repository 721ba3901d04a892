// Without this the page still says everything: dots carry titles, the tables hold the numbers.
// It adds a readout that follows mouse and keyboard, the same layer marked in every picture.
const dots = [...document.querySelectorAll(".dot")];
const mark = (layer) => dots.forEach((d) => d.classList.toggle("here", d.dataset.layer === layer));
for (const figure of document.querySelectorAll(".curve")) {
  const own = [...figure.querySelectorAll(".dot")];
  const svg = figure.querySelector("svg");
  const show = (dot) => {
    readout.textContent = dot.querySelector("title").textContent;
    mark(dot.dataset.layer || "none");
  };
  // Along a curve the nearest layer; in a diagram the nearest dot.
  const flat = figure.classList.contains("diagram") ? 1 : 0;
  const nearest = (event) => {
    const far = (dot) => {
      const box = dot.getBoundingClientRect();
      const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
      return Math.hypot(x - event.clientX, flat * (y - event.clientY));
    };
    return own.reduce((a, b) => (far(b) < far(a) ? b : a));
  };
  const open = (dot) => { if (dot.dataset.layer) location.hash = "layer-" + dot.dataset.layer; };
  if (!own.length) continue;
  // With stops for the keyboard inside, the picture is a group of named dots.
  svg.setAttribute("role", "group");
  svg.addEventListener("pointermove", (event) => show(nearest(event)));
  svg.addEventListener("pointerleave", () => { readout.textContent = ""; mark(""); });
  svg.addEventListener("click", (event) => open(nearest(event)));
  // One stop for the keyboard per curve; arrows go from layer to layer, Enter to its row.
  own.forEach((dot, index) => {
    dot.setAttribute("role", "img");
    dot.tabIndex = index ? -1 : 0;
    dot.addEventListener("focus", () => show(dot));
    dot.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1, Home: -index, End: own.length - 1 - index }[event.key];
      if (event.key === "Enter") open(dot);
      if (step === undefined) return;
      event.preventDefault();
      const next = own[Math.min(Math.max(index + step, 0), own.length - 1)];
      dot.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    });
  });
}
