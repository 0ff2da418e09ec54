#!/usr/bin/env python3
"""Makes the demo's sample photos, their index and their credits from three packages that state free terms per image.

    pip install scikit-image==0.26.0 matplotlib
    apt-get download gcompris-qt-data && dpkg-deb -x gcompris-qt-data_*.deb gcompris      # or any other GCompris 3.1
    python3 scripts/samples.py --gcompris gcompris/usr/share/gcompris-qt/rcc

Not part of `npm install`: the results are committed in public/samples. Needs Pillow (a dependency of scikit-image).
"""
import argparse
import importlib.util
import io
import json
import pathlib
import struct
import zlib

from PIL import Image

OUT = pathlib.Path(__file__).resolve().parent.parent / 'public' / 'samples'
WIDTH = 480
MAX_BYTES = 60_000
SKIMAGE = 'scikit-image 0.26.0, docstrings of skimage/data/_fetchers.py'
GCOMPRIS = 'GCompris 3.1, README beside the image'
COMMONS = 'https://commons.wikimedia.org/wiki/File:'

# file, title, author, licence, source, who states the terms, the terms as stated, (package, path)
PHOTOS = [
    ('cat', 'Chelsea the cat', 'Stefan van der Walt', 'CC0', 'https://scikit-image.org/docs/stable/api/skimage.data.html',
     SKIMAGE, 'No copyright restrictions.  CC0 by the photographer (Stefan van der Walt).', ('skimage', 'data/chelsea.png')),
    ('coffee', 'Coffee cup', 'Rachel Michetti', 'CC0', 'https://scikit-image.org/docs/stable/api/skimage.data.html',
     SKIMAGE, 'No copyright restrictions.  CC0 by the photographer (Rachel Michetti).', ('skimage', 'data/coffee.png')),
    ('koala', 'Koala', 'BurningWell', 'Public domain', COMMONS + 'Koala_Perth_Zoo.jpg',
     GCOMPRIS, 'License: Public Domain', ('explore_world_animals', 'animals/koala.webp')),
    ('bison', 'American bison', 'Kurt Kaiser', 'CC0', COMMONS + 'American_Bison_9.jpg',
     GCOMPRIS, 'License: CC0-1.0', ('explore_world_animals', 'animals/bison.webp')),
    ('goldfish', 'Goldfish', 'Necrophorus', 'Public domain', COMMONS + 'Goldfisch_1.jpg',
     GCOMPRIS, 'License: Public Domain', ('categorization', 'fishes/fish25.webp')),
    ('red-panda', 'Red panda', 'Mathias Appel', 'CC0', COMMONS + 'Red_Panda_(30324056733).jpg',
     GCOMPRIS, 'License: CC0-1.0', ('erase', 'resource/red_panda.webp')),
    ('frying-pan', 'Cast-iron frying pan', 'Suricata', 'Public domain', COMMONS + 'Pfanne_(Gusseisen).jpg',
     GCOMPRIS, 'License: Public Domain', ('categorization', 'others/pan.webp')),
    ('dam', 'Dam at Békés', 'László Szalai', 'Public domain', COMMONS + 'Bekes-dam_duzzaszto.jpg',
     GCOMPRIS, 'License: Public Domain', ('categorization', 'renewable/dam2.webp')),
    ('hopper', 'Commodore Grace M. Hopper', 'US Navy', 'Public domain', 'https://github.com/matplotlib/matplotlib/pull/1599',
     'matplotlib, pull request 1599, which added the image',
     "I've replaced the Lena image with public domain images of Ada Lovelace and Grace Murray Hopper.",
     ('matplotlib', 'mpl-data/sample_data/grace_hopper.jpg')),
    ('rocket', 'Falcon 9 before launch', 'SpaceX', 'Public domain', 'https://www.flickr.com/photos/spacexphotos/16511594820/',
     SKIMAGE, 'The image was captured by SpaceX and released in the public domain', ('skimage', 'data/rocket.jpg')),
]


def rcc_file(path, suffix):
    """The one file of a Qt resource container whose path ends with `suffix` (format versions 1 to 3, zlib or stored)."""
    blob = path.read_bytes()
    version, tree, data, names = struct.unpack('>IIII', blob[4:20])
    size = 14 if version < 2 else 22

    def walk(index, folder):
        at = tree + index * size
        name_at, flags = struct.unpack('>IH', blob[at:at + 6])
        length = struct.unpack('>H', blob[names + name_at:names + name_at + 2])[0]
        name = '' if index == 0 else blob[names + name_at + 6:names + name_at + 6 + 2 * length].decode('utf-16-be')
        full = f'{folder}/{name}'
        if flags & 2:
            count, child = struct.unpack('>II', blob[at + 6:at + 14])
            for one in range(child, child + count):
                yield from walk(one, full)
        elif full.endswith('/' + suffix):
            start = data + struct.unpack('>I', blob[at + 10:at + 14])[0]
            body = blob[start + 4:start + 4 + struct.unpack('>I', blob[start:start + 4])[0]]
            yield zlib.decompress(body[4:]) if flags & 1 else body

    found = list(walk(0, ''))
    assert len(found) == 1, f'{suffix}: {len(found)} matches in {path}'
    return found[0]


def load(package, name, gcompris):
    spec = importlib.util.find_spec(package)
    if spec is not None:
        return Image.open(pathlib.Path(spec.origin).parent / name)
    return Image.open(io.BytesIO(rcc_file(gcompris / f'{package}.rcc', name)))


def save(image, target):
    """480 px wide, the best quality that stays under the limit, no metadata."""
    image = image.convert('RGB')
    width = min(WIDTH, image.width)
    image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    for quality in (86, 82, 78, 72, 64):
        image.save(target, quality=quality, optimize=True, progressive=True)
        if target.stat().st_size <= MAX_BYTES:
            return
    raise SystemExit(f'{target} stays above {MAX_BYTES} bytes')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--gcompris', type=pathlib.Path, required=True, help="folder of GCompris' .rcc files")
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    index, credits = [], []
    for name, title, author, licence, source, stated_by, terms, (package, path) in PHOTOS:
        save(load(package, path, options.gcompris), OUT / f'{name}.jpg')
        index.append({'file': f'{name}.jpg', 'title': title, 'author': author, 'licence': licence, 'source': source})
        credits.append(f'## {name}.jpg: {title}\n\n- Author: {author}\n- Licence: {licence}\n- Source: <{source}>\n'
                       f'- Terms as stated by {stated_by}:\n\n  > {terms}\n')
    (OUT / 'index.json').write_text(json.dumps({'photos': index}, indent=2, ensure_ascii=False) + '\n')
    (OUT / 'CREDITS.md').write_text(
        '# Credits of the sample photos\n\nEvery photo here is in the public domain or under CC0; each was scaled to at most '
        f'{WIDTH} pixels wide and saved as JPEG\nby `scripts/samples.py`, nothing else was changed. `clip.webm` is a pan and '
        'zoom over these photos, made by `scripts/make-clip.py`,\nand is under CC0 as well.\n\n' + '\n'.join(credits))


main()
