// Runs the module made from crates/fanin/examples/bits.rs for wasm32 and says which pinned bits are right.
// usage: node bits.mjs MODULE.wasm

import { readFile } from "node:fs/promises";
import process from "node:process";

const { instance } = await WebAssembly.instantiate(await readFile(process.argv[2]), {});
const { cases, case_is_right, first_word } = instance.exports;

// The first word of tests/bits.rs, so that a module that computes nothing does not pass.
let wrong = first_word(0) >>> 0 === 1193254866 ? 0 : 1;
for (let i = 0; i < cases(); i++) {
  if (case_is_right(i) !== 1) {
    console.error(`case ${i} has other bits`);
    wrong += 1;
  }
}
console.log(`wasm32: ${cases()} cases, ${wrong} wrong`);
process.exit(wrong === 0 && cases() > 0 ? 0 : 1);
