#!/usr/bin/env python3
"""Makes public/samples/clip.webm: a slow pan and zoom over the sample photos, cross-faded, VP9, no sound.

    pip install pillow && apt-get install ffmpeg
    python3 scripts/make-clip.py

Not part of `npm install`: the result is committed. The subject stays near the middle, because the network sees only the
central square of a frame.
"""
import math
import pathlib
import subprocess

from PIL import Image

SAMPLES = pathlib.Path(__file__).resolve().parent.parent / 'public' / 'samples'
SIZE = (480, 360)
FPS = 20
SHOT = 1.9  # seconds a photo, the cross-fade included
FADE = 0.4
# photo, then where the camera looks and how wide, at the start and at the end: (x, y, width), shares of the photo
SHOTS = [
    ('cat', (0.50, 0.50, 0.98), (0.56, 0.46, 0.74)),
    ('coffee', (0.44, 0.55, 0.96), (0.50, 0.50, 0.72)),
    ('koala', (0.52, 0.52, 0.94), (0.48, 0.45, 0.72)),
    ('goldfish', (0.46, 0.50, 0.98), (0.54, 0.52, 0.80)),
    ('bison', (0.46, 0.50, 0.74), (0.52, 0.50, 0.96)),
    ('frying-pan', (0.50, 0.52, 0.98), (0.46, 0.54, 0.78)),
    ('red-panda', (0.50, 0.50, 0.94), (0.50, 0.46, 0.70)),
    ('dam', (0.45, 0.52, 0.80), (0.55, 0.48, 0.96)),
]


def frame(photo, start, end, share):
    """The photo seen through a window that moves from start to end; share 0…1, eased at both ends."""
    eased = (1 - math.cos(math.pi * share)) / 2
    x, y, width = (a + (b - a) * eased for a, b in zip(start, end))
    aspect = SIZE[0] / SIZE[1]
    # The window never leaves the photo.
    w = min(width * photo.width, photo.height * aspect)
    h = w / aspect
    left = min(max(x * photo.width - w / 2, 0), photo.width - w)
    top = min(max(y * photo.height - h / 2, 0), photo.height - h)
    return photo.resize(SIZE, Image.Resampling.BICUBIC, box=(left, top, left + w, top + h))


def frames():
    photos = [(Image.open(SAMPLES / f'{name}.jpg').convert('RGB'), a, b) for name, a, b in SHOTS]
    step = SHOT - FADE
    for n in range(round(step * len(photos) * FPS)):
        at = n / FPS
        k = int(at // step)
        into = at - k * step
        photo, a, b = photos[k]
        image = frame(photo, a, b, into / SHOT)
        # The tail of the shot before lies over the head of this one; the last shot fades into the first, so that it loops.
        if into < FADE:
            before, c, d = photos[k - 1]
            image = Image.blend(frame(before, c, d, (into + step) / SHOT), image, into / FADE)
        yield image


def main():
    encoder = subprocess.Popen(
        ['ffmpeg', '-y', '-loglevel', 'error', '-f', 'rawvideo', '-pix_fmt', 'rgb24', '-s', f'{SIZE[0]}x{SIZE[1]}', '-r', str(FPS),
         '-i', '-', '-c:v', 'libvpx-vp9', '-crf', '36', '-b:v', '0', '-g', str(FPS * 2), '-pix_fmt', 'yuv420p', '-threads', '1',
         '-an', '-fflags', '+bitexact', '-flags', '+bitexact', str(SAMPLES / 'clip.webm')],
        stdin=subprocess.PIPE)
    for image in frames():
        encoder.stdin.write(image.tobytes())
    encoder.stdin.close()
    if encoder.wait() != 0:
        raise SystemExit('ffmpeg failed')


main()
