"""Rebuild the guide in `book/`: run every command it shows, draw its figures, write its reference.

    python3 tools/book.py              run the commands anew and put what they print into the chapters
    python3 tools/book.py --check      change nothing; say where chapters or figures are out of date
    python3 tools/book.py --only NAME  one chapter

Python 3.9 or newer, nothing else; `mdbook`, where it is installed, then makes the pages in
`book/out`. A chapter may hold

    ```console                     commands after `$`, each followed by what it prints
    ```console,part                the same with some of its lines; `…` stands for those left out
    ```console,figure=NAME.svg,plot=forward|backward|cosine,y=LABEL
                                   commands with `--format json`; the picture is made from what they
                                   print, one line each, named by the comment behind the command

Commands run in `book/`. Files they write go to `book/scratch`, which git ignores.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOOK = ROOT / "book"
SOURCE = BOOK / "src"
FENCE = re.compile(r"^```console(?P<info>[^\n]*)\n(?P<body>.*?)^```$", re.M | re.S)
# A number of its own, not the one in `layers.3`.
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?:e-?\d+)?")
GAP = "…"


def run(fanin: Path, command: str) -> str:
    """What a command of the guide prints; standard error where it prints nothing else."""
    words = shlex.split(command, comments=True)
    if not words or words[0] != "fanin":
        sys.exit(f"the guide runs `fanin` alone, not: {command}")
    (BOOK / "scratch").mkdir(exist_ok=True)
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100"}
    done = subprocess.run(
        [str(fanin), *words[1:]], cwd=BOOK, env=environment, capture_output=True, text=True
    )
    if done.returncode == 2 and not done.stderr.startswith("error"):
        sys.exit(f"{command}\n{done.stderr}")
    return done.stdout or done.stderr


def shape(line: str) -> str:
    """A line without its numbers and its spacing."""
    return " ".join(re.sub(r"[·●○▁▂▃▄▅▆▇█]+", "~", NUMBER.sub("#", line)).split())


def part(shown: list[str], printed: list[str], command: str) -> list[str]:
    """The lines that are shown, as they are printed now."""
    result, at = [], 0
    for line in shown:
        if line.strip() == GAP:
            result.append(line)
            continue
        found = next((k for k in range(at, len(printed)) if shape(printed[k]) == shape(line)), None)
        if found is None:
            BROKEN.append(f"{command}\n  no longer prints a line like: {line}")
            result.append(line)
            continue
        result.append(printed[found].rstrip())
        at = found + 1
    return result


def blocks(body: str) -> list[tuple[str, list[str]]]:
    """Each command with the lines shown below it."""
    result: list[tuple[str, list[str]]] = []
    for line in body.splitlines():
        if line.startswith("$ "):
            result.append((line[2:], []))
        elif result:
            if result[-1][0].endswith("\\"):
                result[-1] = (result[-1][0][:-1].rstrip() + " " + line.strip(), [])
            else:
                result[-1][1].append(line)
    return result


def rebuilt(fanin: Path, match: re.Match[str]) -> str:
    """A block with its commands run again."""
    info, body = match["info"], match["body"]
    options = dict(item.partition("=")[::2] for item in info.strip(",").split(",") if item)
    if "figure" in options:
        draw(fanin, options, [command for command, _ in blocks(body)])
        return match[0]
    heads = [line for line in body.splitlines(keepends=True)]
    lines: list[str] = []
    k = 0
    for command, shown in blocks(body):
        while not heads[k].startswith("$ "):
            k += 1
        head = [heads[k].rstrip("\n")]
        while head[-1].endswith("\\"):
            k += 1
            head.append(heads[k].rstrip("\n"))
        k += 1
        printed = [line.rstrip() for line in run(fanin, command).rstrip("\n").splitlines()]
        if "part" in options:
            printed = part([line for line in shown if line.strip()], printed, command)
        lines += [*head, *printed, ""]
    while lines and not lines[-1]:
        lines.pop()
    return f"```console{info}\n" + "\n".join(lines) + "\n```"


# ---------------------------------------------------------------------------------- figures

COLOURS = ["#1f5fbf", "#b3261e", "#22713d", "#a2590f", "#6b3fa0"]
WIDTH, HEIGHT = 720, 320
LEFT, RIGHT, TOP, BOTTOM = 64, 150, 36, 46
LAYERS = {"Gemm", "MatMul", "Conv"}


def curve(document: dict, plot: str) -> list[float]:
    """One number per layer: the rms of what it puts out or of its gradient, or the cosine."""
    values = []
    for value in document["values"]:
        if value["op"] not in LAYERS:
            continue
        if plot == "cosine":
            values.append(value["forward"]["sample_cosine"])
        elif plot == "backward":
            values.append(value["backward"]["rms"] if value["backward"] else None)
        else:
            values.append(value[plot]["rms"])
    return [math.nan if v is None else v for v in values]


def power(exponent: int) -> str:
    digits = str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return {0: "1", 1: "10", -1: "0.1"}.get(exponent, "10" + digits)


def draw(fanin: Path, options: dict[str, str], commands: list[str]) -> None:
    """Writes a figure: a line per command over the layers."""
    lines = []
    for command in commands:
        call, _, name = command.partition(" # ")
        lines.append((name.strip(), curve(json.loads(run(fanin, call)), options["plot"])))
    path = SOURCE / "figures" / options["figure"]
    path.parent.mkdir(exist_ok=True)
    OUTPUT[path] = svg(lines, options["plot"], options.get("y", options["plot"]), commands)


def svg(lines: list[tuple[str, list[float]]], plot: str, label: str, commands: list[str]) -> str:
    """The picture, with the commands that made it inside."""
    layers = max(len(values) for _, values in lines)
    drawn = [v for _, values in lines for v in values if math.isfinite(v)]
    if plot == "cosine":
        low, high = min(0.0, *drawn), 1.0
        ticks = [(v, f"{v:g}") for v in (0, 0.25, 0.5, 0.75, 1)]
        place = lambda v: (v - low) / (high - low)
    else:
        logs = [math.log10(v) for v in drawn if v > 0] or [0.0]
        # Some room, so that a curve at a whole power does not lie on the edge.
        bottom, top = math.floor(min(logs) - 0.15), math.ceil(max(logs) + 0.15)
        if top - bottom < 2:
            bottom, top = bottom - 1, top + (top - bottom < 1)
        step = max(1, math.ceil((top - bottom) / 7))
        ticks = [(10.0**e, power(e)) for e in range(bottom, top + 1, step)]
        place = lambda v: 0.0 if v <= 0 else (math.log10(v) - bottom) / (top - bottom)
    x = lambda k: LEFT + (WIDTH - LEFT - RIGHT) * (k / max(1, layers - 1))
    y = lambda v: TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(1.0, max(0.0, place(v))))
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="13">',
        "<metadata>" + escape("\n".join(commands)) + "</metadata>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="6" fill="#fbfaf8"/>',
    ]
    for value, text in ticks:
        out.append(
            f'<path d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}" stroke="#dcd9d3"/>'
            f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end" fill="#62666b">{text}</text>'
        )
    for k in range(0, layers, max(1, math.ceil(layers / 10))):
        out.append(
            f'<text x="{x(k):.1f}" y="{HEIGHT - BOTTOM + 19}" text-anchor="middle" fill="#62666b">{k + 1}</text>'
        )
    out.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end" fill="#62666b">layer →</text>'
        f'<text x="14" y="20" fill="#62666b">{escape(label)}</text>'
    )
    # Names stand at the lines' ends, pushed apart where they would meet.
    ends = []
    for k, (name, values) in enumerate(lines):
        points = [(x(i), y(v)) for i, v in enumerate(values) if math.isfinite(v)]
        if not points:
            continue
        colour = COLOURS[k % len(COLOURS)]
        path = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
        out.append(f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(points) <= 40:
            out += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="2.6" fill="{colour}"/>' for a, b in points]
        ends.append([points[-1][1], name, colour])
    ends.sort(key=lambda end: end[0])
    for before, after in zip(ends, ends[1:]):
        after[0] = max(after[0], before[0] + 17)
    over = ends[-1][0] - (HEIGHT - BOTTOM + 4) if ends else 0
    for height, name, colour in ends:
        height -= max(0, over)
        out.append(
            f'<text x="{WIDTH - RIGHT + 10}" y="{height + 4:.1f}" fill="{colour}">{escape(name)}</text>'
        )
    return "\n".join([*out, "</svg>", ""])


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# -------------------------------------------------------------------------------- reference


# Sections whose lines are formulas or text to type, not prose.
LITERAL = {"Formula", "Example", "Examples", "Gain", "Moments", "Gradient", "Form"}


def reference(fanin: Path) -> list[str]:
    """Writes a page per initializer, activation and finding; the lines of the contents."""
    folder = SOURCE / "reference"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    contents, group = [], ""
    heads = {"Initializers": "initializers", "Activations": "activations", "Findings": "findings"}
    for line in run(fanin, "fanin explain").splitlines():
        if line and not line.startswith(" "):
            group = next((g for head, g in heads.items() if line.startswith(head)), "")
            if group:
                title = line.split(",")[0].strip()
                contents.append(f"- [{title}](reference/{group}.md)")
                (folder / f"{group}.md").write_text(f"# {title}\n\n| name | |\n|---|---|\n")
                (folder / group).mkdir()
        elif line.strip() and group:
            name, _, summary = line.strip().partition(" ")
            text = run(fanin, f"fanin explain {name}")
            # One name may be several things, told one after the other: the identity.
            told = re.split(rf"\n\n(?={re.escape(name)}, the )", text)
            text = next((t for t in told if (group == "activations") == ("\nGain\n" in t)), text)
            head, _, rest = text.partition("\n")
            page = [f"# {head.strip()}"]
            for section in re.split(r"\n(?=\S)", rest.rstrip()):
                title, _, body = section.strip("\n").partition("\n")
                body = "\n".join(line[2:] for line in body.splitlines())
                if title in LITERAL:
                    body = f"```text\n{body.rstrip()}\n```"
                if title:
                    page.append(f"## {title}\n\n{body}")
            (folder / group / f"{name}.md").write_text("\n\n".join(page).rstrip() + "\n")
            contents.append(f"  - [{name}](reference/{group}/{name}.md)")
            with (folder / f"{group}.md").open("a") as index:
                index.write(f"| [{name}]({group}/{name}.md) | {summary.strip().replace('|', chr(92) + '|')} |\n")
    return contents


# ------------------------------------------------------------------------------------- all

OUTPUT: dict[Path, str] = {}
BROKEN: list[str] = []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fanin", type=Path, default=ROOT / "target/release/fanin")
    parser.add_argument("--check", action="store_true", help="change nothing, say what is out of date")
    parser.add_argument("--only", help="the name of one chapter")
    parser.add_argument("--no-pages", action="store_true", help="leave reference and pages alone")
    arguments = parser.parse_args()
    fanin = arguments.fanin.resolve()
    if not fanin.exists():
        sys.exit(f"{fanin} is not there; build it with `cargo build --release --workspace`")
    # What an earlier run left would show in what the commands print.
    shutil.rmtree(BOOK / "scratch", ignore_errors=True)
    for chapter in sorted(SOURCE.glob("*.md")):
        if arguments.only in (None, chapter.stem):
            text = chapter.read_text()
            OUTPUT[chapter] = FENCE.sub(lambda match: rebuilt(fanin, match), text)
    stale = [p for p, text in OUTPUT.items() if not p.exists() or p.read_text() != text]
    for path in stale:
        print(("out of date: " if arguments.check else "wrote "), path.relative_to(ROOT), sep="")
        if not arguments.check:
            path.write_text(OUTPUT[path])
    for broken in BROKEN:
        print(broken)
    if arguments.check or BROKEN:
        sys.exit(1 if stale or BROKEN else 0)
    if arguments.no_pages or arguments.only:
        return
    contents = reference(fanin)
    summary = (SOURCE / "SUMMARY.md").read_text().partition("\n# Reference\n")[0].rstrip()
    tree = BOOK / "scratch" / "src"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(SOURCE, tree)
    (tree / "SUMMARY.md").write_text(summary + "\n\n# Reference\n\n" + "\n".join(contents) + "\n")
    if shutil.which("mdbook"):
        subprocess.run(["mdbook", "build", str(BOOK)], check=True)
    else:
        print("mdbook is not installed, so no pages were made")


if __name__ == "__main__":
    main()
