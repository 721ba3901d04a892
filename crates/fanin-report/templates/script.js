"use strict";
const readout = document.getElementById("readout");
// Paper shows what lies folded on the screen.
const folded = [];
addEventListener("beforeprint", () => {
  folded.push(...document.querySelectorAll("details:not([open])"));
  folded.forEach((d) => { d.open = true; });
});
addEventListener("afterprint", () => { folded.splice(0).forEach((d) => { d.open = false; }); });
