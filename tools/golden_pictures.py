"""Writes the pictures that fanin-train's PNG decoder is tested with, as Pillow encodes and reads them.

    python tools/golden_pictures.py > crates/fanin-data/src/golden_pictures.txt

One line each: a name, the file in hexadecimal, and the 8-bit samples Pillow reads back from it (grey
pictures one per pixel, others three or four). Needs Pillow.
"""

import io

from PIL import Image

WIDTH, HEIGHT = 11, 6


def pixels(channels):
    """Neither flat nor random, so that every row filter of the encoder finds its use."""
    for y in range(HEIGHT):
        for x in range(WIDTH):
            yield tuple((37 * x * (c + 1) + 91 * y + 13 * x * y * c) % 256 for c in range(channels))


def picture(mode, channels):
    image = Image.new(mode, (WIDTH, HEIGHT))
    values = list(pixels(channels))
    image.putdata([v[0] for v in values] if channels == 1 else values)
    return image


def main():
    grey, colour = picture("L", 1), picture("RGB", 3)
    wide = Image.new("I;16", (WIDTH, HEIGHT))
    wide.putdata([257 * v[0] for v in pixels(1)])
    cases = {
        "grey1": (grey.convert("1", dither=Image.Dither.NONE), {}, "L"),
        "grey8": (grey, {}, "L"),
        "grey16": (wide, {}, None),
        "grey_alpha": (picture("LA", 2), {}, "LA"),
        "colour": (colour, {}, "RGB"),
        "colour_alpha": (picture("RGBA", 4), {}, "RGBA"),
        "palette2": (colour.quantize(4), {"bits": 2}, "RGB"),
        "palette4": (colour.quantize(16), {"bits": 4}, "RGB"),
        "palette8": (colour.quantize(60), {"bits": 8}, "RGB"),
    }
    for name, (image, options, mode) in cases.items():
        file = io.BytesIO()
        image.save(file, "PNG", **options)
        back = Image.open(io.BytesIO(file.getvalue()))
        # Sixteen bits are 257 times the eight they were made of.
        raw = bytes(v[0] for v in pixels(1)) if mode is None else back.convert(mode).tobytes()
        print(name, file.getvalue().hex(), raw.hex())


if __name__ == "__main__":
    main()
