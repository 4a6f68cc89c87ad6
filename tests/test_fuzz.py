"""Hostile and broken input: whatever ``prepare`` is given, it ends in a dataset or in one sentence.

Every case is drawn from a seed, so that a failure is named by (family, seed) and comes again:

    python tests/test_fuzz.py zips 100 1234     100 cases of that family from seed 1234 on, in this process

A handful of each family runs by default, thousands with ``-m slow``, there in a process of their own whose memory is
measured.
"""

from __future__ import annotations

import bz2
import csv
import faulthandler
import functools
import gzip
import io
import json
import lzma
import os
import random
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import time
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from boceto.data import framing, screening
from boceto.data.prepared import Prepared
from boceto.data.preparing import prepare
from boceto.errors import BocetoError, Fault, UsageError
from conftest import drawing

SECONDS = 20.0  # a case takes hundredths of one
MEGABYTES = 1024  # peak memory of any case
Random = random.Random
Asked = tuple[Path, dict[str, Any]]  # the source, and the options of prepare
Family = Callable[[Random, Path], Asked]
FAMILIES: dict[str, Family] = {}


def family(function: Family) -> Family:
    FAMILIES[function.__name__] = function
    return function


# ── what must hold ──


def listing(root: Path) -> dict[str, object]:
    """Everything below a folder, hidden files too, byte for byte; links as links."""
    found: dict[str, object] = {}
    for here, folders, files in os.walk(os.fsencode(root)):
        for name in folders + files:
            path = os.path.join(here, name)  # noqa: PTH118  bytes: names need not be UTF-8
            about = os.lstat(path)
            key = os.fsdecode(os.path.relpath(path, os.fsencode(root)))
            if stat.S_ISLNK(about.st_mode):
                found[key] = os.readlink(path)  # noqa: PTH115
            elif stat.S_ISREG(about.st_mode):
                found[key] = zlib.crc32(Path(os.fsdecode(path)).read_bytes()), about.st_size, about.st_mtime_ns
            else:
                found[key] = stat.S_IFMT(about.st_mode)
    return found


def check(root: Path, source: Path, options: dict[str, Any]) -> str:
    """Prepare and assert everything that must hold for any input; says what came of it."""
    out = root / "deep" / "data"
    before = listing(root)
    began = time.monotonic()
    data: Prepared | None = None
    sentence = ""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            data = prepare(source, out, workers=1, **{"size": 16, **options})
        except BocetoError as error:
            sentence = str(error)
    assert not warned, warned[0]  # it would stand between boceto's own lines
    took = time.monotonic() - began
    assert took < SECONDS, f"took {took:.0f} s"
    after = listing(root)
    strange = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    if data is None:
        assert sentence.strip() and not set(sentence) & {"\n", "\r", "\0"}, repr(sentence)
        assert len(sentence) < 2000, sentence
        assert not strange, strange
        return "refused"
    assert all(Path(name).parts[:2] == ("deep", "data") for name in strange), strange
    data.verify()
    manifest = data.manifest
    assert len(data) == manifest["count"] == len(data.records()) > 0
    assert manifest["count"] + sum(manifest["left_out"].values()) == manifest["found"], manifest
    assert data.gather([0, len(data) - 1]).dtype == np.uint8
    with (out / "quarantine.csv").open(encoding="utf-8", newline="") as file:
        csv.field_size_limit(2**31 - 1)
        rows = list(csv.reader(file))
        csv.field_size_limit(131072)
    assert len(rows) == 1 + sum(manifest["left_out"].values()) + manifest["orphans"]
    assert all(len(row) == 3 for row in rows)
    return "kept all" if len(rows) == 1 else "left out"


def run_case(name: str, seed: int) -> str:
    """One case in a folder of its own, with things beside it that nobody may touch."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        root = Path(temporary)
        (root / "deep" / "beside").mkdir(parents=True)
        (root / "canary.png").write_bytes(CORPUS()["rgb.png"])
        (root / "deep" / "canary.txt").write_text("untouched")
        (root / "deep" / "beside" / "x.png").write_bytes(CORPUS()["l.png"])
        source, options = FAMILIES[name](Random(f"{name} {seed}"), root / "deep")
        try:
            return check(root, source, options)
        except BaseException as error:
            error.add_note(f"family {name}, seed {seed}, {options}")
            raise


# ── real pictures ──


@functools.cache
def CORPUS() -> dict[str, bytes]:  # noqa: N802  a constant, made when first asked for
    """A small real picture of every kind that Pillow writes."""
    base = drawing(1, (37, 29))
    found: dict[str, bytes] = {}

    def add(name: str, image: Image.Image, kind: str, **how: Any) -> None:
        out = io.BytesIO()
        image.save(out, kind, **how)
        found[name] = out.getvalue()

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    clear = base.convert("RGBA")
    clear.putalpha(base.convert("L"))
    deep = Image.fromarray(np.asarray(base.convert("L")).astype(np.uint16) * 257)
    floating = base.convert("F").point(lambda value: value * (1 / 255) + 0)
    frames = [drawing(i, (37, 29)) for i in range(2, 5)]
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        add(f"{mode.lower()}.png", (clear if "A" in mode else base).convert(mode), "PNG")
    add("deep.png", deep, "PNG")
    add("clear palette.png", base.convert("P"), "PNG", transparency=bytes(range(256)))
    add("clear colour.png", base, "PNG", transparency=(1, 2, 3), icc_profile=profile)
    add("animated.png", base, "PNG", save_all=True, append_images=frames)
    add("optimised.png", base.quantize(5), "PNG", bits=4, optimize=True)
    found["interlaced.png"] = png(8, 8, 2, zlib.compress(adam7(8, 8, 3)), interlace=1)
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        exif[0x010E] = "a drawing"
        add(f"turned {orientation}.jpg", base, "JPEG", exif=exif, icc_profile=profile if orientation % 2 else None)
    add("grey.jpg", base.convert("L"), "JPEG")
    add("cmyk.jpg", base.convert("CMYK"), "JPEG")
    add("progressive.jpg", base, "JPEG", progressive=True, restart_marker_rows=1)
    add("lossy.webp", base, "WEBP", exif=Image.Exif(), icc_profile=profile)
    add("lossless.webp", clear, "WEBP", lossless=True)
    add("animated.webp", base, "WEBP", save_all=True, append_images=frames)
    add("still.gif", base.convert("P"), "GIF")
    add("animated.gif", base, "GIF", save_all=True, append_images=frames, transparency=3, disposal=2)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        add(f"{mode.lower()}.bmp", (clear if mode == "RGBA" else base).convert(mode), "BMP")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "tiff_deflate"):
        add(f"{compression}.tif", base, "TIFF", compression=compression)
    add("group4.tif", base.convert("1"), "TIFF", compression="group4")
    add("raw.tif", base, "TIFF", icc_profile=profile)
    add("pages.tif", base, "TIFF", save_all=True, append_images=frames, compression="tiff_lzw")
    add("float.tif", floating, "TIFF")
    add("int.tif", base.convert("I"), "TIFF")
    add("deep.tif", deep, "TIFF", compression="tiff_lzw")
    add("cmyk.tif", base.convert("CMYK"), "TIFF")
    add("lab.tif", ImageCms.profileToProfile(base, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"), "TIFF")  # type: ignore[arg-type]  # fmt: skip
    add("clear.tif", clear, "TIFF", compression="tiff_deflate")
    found["tiled.tif"] = tiled_tiff()
    return found


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, colour: int, packed: bytes, *, bits: int = 8, interlace: int = 0, extra: bytes = b"") -> bytes:  # fmt: skip
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + extra + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def adam7(width: int, height: int, channels: int) -> bytes:
    """Raw rows of an interlaced PNG."""
    rows = b""
    for x, y, right, down in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)):  # fmt: skip
        for row in range(y, height, down):
            rows += b"\0" + bytes((i * 7 + row) % 256 for i in range(channels * len(range(x, width, right))))
    return rows


def tiff(tags: list[tuple[int, int, int, int]], content: bytes) -> bytes:
    """A little-endian TIFF of (tag, type, count, value); ``content`` begins at byte 8."""
    head = struct.pack("<2sHI", b"II", 42, 8 + len(content))
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return head + content + struct.pack("<H", len(tags)) + entries + bytes(4)


def tiled_tiff() -> bytes:
    content = bytes(range(256)) * 4 + struct.pack("<4I", 8, 264, 520, 776) + struct.pack("<4I", *[256] * 4)
    tags = [(256, 4, 1, 32), (257, 4, 1, 32), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    tags += [(322, 4, 1, 16), (323, 4, 1, 16), (324, 4, 4, 8 + 1024), (325, 4, 4, 8 + 1024 + 16)]
    return tiff(tags, content)


def flat_tiff(width: int, height: int, *more: tuple[int, int, int, int], offset: int = 8, length: int = 64) -> bytes:
    """Grey, one strip that lies at ``offset`` and is said to be so long."""
    tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    tags += [(273, 4, 1, offset), (278, 4, 1, height), (279, 4, 1, length)]
    changed = {tag[0] for tag in more}
    return tiff([*(tag for tag in tags if tag[0] not in changed), *more], bytes(range(64)))


ODD_NUMBERS = (0, 1, 2, 3, 255, 256, 4096, 9000, 20000, 30000, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)


def mutated(rng: Random, content: bytes, other: bytes) -> bytes:
    """One or a few of the usual injuries."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        if not found:
            break
        at = rng.randrange(len(found)) if rng.random() < 0.6 else rng.randrange(min(len(found), 64))
        match rng.randrange(8):
            case 0:
                found[at] ^= 1 << rng.randrange(8)
            case 1:
                found[at : at + 4] = rng.randbytes(4)
            case 2:
                del found[at:]
            case 3:
                found[at:] = other[rng.randrange(len(other) + 1) :]
            case 4:
                form = rng.choice("<>") + rng.choice("HI")
                number = rng.choice(ODD_NUMBERS) % (65536 if form[1] == "H" else 2**32)
                found[at : at + struct.calcsize(form)] = struct.pack(form, number)
            case 5:
                del found[at : at + rng.randrange(1, 40)]
            case 6:
                found[at:at] = found[at : at + rng.randrange(1, 200)]
            case _:
                found[at:at] = rng.randbytes(rng.randrange(1, 40))
    return bytes(found)


def crcs_mended(content: bytes) -> bytes:
    """A PNG whose checksums fit what stands there now, so that decoders look at it."""
    found, at = bytearray(content), 8
    while at + 12 <= len(found):
        length = int.from_bytes(found[at : at + 4], "big")
        end = at + 8 + length
        if end + 4 > len(found):
            break
        found[end : end + 4] = struct.pack(">I", zlib.crc32(found[at + 4 : end]))
        at = end + 4
    return bytes(found)


def other_size(rng: Random, name: str, content: bytes) -> bytes:
    """Another width or height in the header."""
    found = bytearray(content)
    number = rng.choice(ODD_NUMBERS)
    if name.endswith(".png"):
        at = rng.choice((16, 20))
        found[at : at + 4] = struct.pack(">I", number)
        return crcs_mended(bytes(found))
    if name.endswith(".gif"):
        at = rng.choice((6, 8, found.find(b"\x2c") + 5))
        found[at : at + 2] = struct.pack("<H", number % 65536)
    elif name.endswith(".bmp"):
        at = rng.choice((10, 14, 18, 22, 28, 46))
        found[at : at + 4] = struct.pack("<I", number)
    elif name.endswith(".jpg"):
        at = max(found.find(b"\xff\xc0"), found.find(b"\xff\xc2")) + rng.choice((5, 7))
        found[at : at + 2] = struct.pack(">H", number % 65536)
    elif name.endswith(".webp"):
        at = rng.choice((4, 16, 24, 26, 27))
        found[at : at + 3] = struct.pack("<I", number)[:3]
    else:  # TIFF: any entry of its first directory
        start = int.from_bytes(found[4:8], "little")
        entry = start + 2 + 12 * rng.randrange(max(1, found[start]))
        at = entry + rng.choice((0, 2, 4, 8, 8))
        found[at : at + 2] = struct.pack("<H", rng.choice((number % 65536, rng.randrange(256, 340))))
    return bytes(found)


def hurt(rng: Random) -> tuple[str, bytes]:
    """(ending, bytes) of a real picture that was tampered with."""
    names = sorted(CORPUS())
    name = rng.choice(names)
    content = CORPUS()[name]
    if rng.random() < 0.35:
        content = other_size(rng, name, content)
    if rng.random() < 0.75:
        content = mutated(rng, content, CORPUS()[rng.choice(names)])
        if name.endswith(".png") and rng.random() < 0.7:
            content = crcs_mended(content)
    ending = name.rpartition(".")[2] if rng.random() < 0.9 else rng.choice(("png", "jpg", "gif", "tif", "webp", "bmp"))
    return ending, content


def how(rng: Random, **more: Any) -> dict[str, Any]:
    """Options, often the default ones."""
    options: dict[str, Any] = {
        "size": rng.choice((16, 16, "8x24", 4, 64)),
        "fit": rng.choice(("crop", "letterbox", "fill", "squish")),
        "bars": rng.choice(("crop", "drop", "keep")),
        "animated": rng.choice(("first", "skip")),
        "duplicates": rng.choice(("drop", "keep")),
        "min_side": rng.choice((None, 1)),
        "enlarge": rng.random() < 0.3,
        "grey": rng.random() < 0.2,
        "paper": rng.choice(("white", "#1234", "hsl(10,50%,50%)")),
    }
    return {key: value for key, value in options.items() if rng.random() < 0.5} | more


@family
def pictures(rng: Random, place: Path) -> Asked:
    """Real pictures, most of them tampered with."""
    source = place / "source"
    source.mkdir()
    if rng.random() < 0.8:
        (source / "good.png").write_bytes(CORPUS()["rgb.png"])
    for i in range(rng.randrange(1, 5)):
        ending, content = hurt(rng)
        (source / f"{i}.{ending}").write_bytes(content)
    return source, how(rng)


# ── archives ──

ODD_NAMES = (
    "../up.png", "/root.png", "a/../../up.png", "C:\\x.png", "C:/x.png", "..\\up.png", "a\\b.png", "nul\0.png", "\0.png",
    "", "/", ".", "..", "./a.png", "a//b.png", "~/.png", "CON.png", "-rf.png", "new\nline.png", "é\u202egnp.png", "👾.png",
    "x" * 300 + ".png", "d/" * 400 + "x.png", ".hidden.png", "__MACOSX/a.png", "a.png/", "a.png/b.png", "metadata.jsonl",
    "dataset.json", "metadata.csv", "inner.zip", "\ufffe.png", "%s%n.png", "Thumbs.db", "0007/1007.png", "٣.png",
)  # fmt: skip


def members(rng: Random) -> list[tuple[str, bytes]]:
    """Names and contents: some good, some hurt, some odd."""
    found = [("good.png", CORPUS()["rgb.png"]), ("sub/good.jpg", CORPUS()["grey.jpg"])][: rng.randrange(3)]
    for i in range(rng.randrange(1, 5)):
        ending, content = hurt(rng)
        if rng.random() < 0.2:
            content = b"".join(lines(rng))
        found.append((rng.choice(ODD_NAMES) if rng.random() < 0.5 else f"{i}.{ending}", content))
    if rng.random() < 0.3:
        found.append(rng.choice(found))
    if rng.random() < 0.3:
        found.append((rng.choice(("metadata.jsonl", "metadata.csv", "dataset.json")), b"".join(lines(rng))))
    rng.shuffle(found)
    return found


@family
def zips(rng: Random, place: Path) -> Asked:
    """ZIP archives with odd names, flags, sizes and compressions, then injured."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore")  # of duplicate names
        for name, content in members(rng):
            info = zipfile.ZipInfo("x")
            info.filename = name  # as it stands: the constructor would clean it
            info.compress_type = rng.choice((0, 8, 8, 12, 14))
            if rng.random() < 0.1:
                info.external_attr = rng.choice((stat.S_IFLNK, stat.S_IFIFO, stat.S_IFDIR, stat.S_IFBLK)) << 16
            archive.writestr(info, content)
    found = bytearray(out.getvalue())
    for signature, fields in (
        (b"PK\1\2", (8, 10, 16, 20, 24, 28, 30, 32, 42)),
        (b"PK\3\4", (6, 8, 14, 18, 22, 26, 28)),
    ):
        while rng.random() < 0.4:  # flags, compression, CRC, lying sizes, lengths of names, overlapping offsets
            starts = [at for at in range(len(found) - 46) if found[at : at + 4] == signature]
            at = (rng.choice(starts) if starts else 0) + rng.choice(fields)
            form = rng.choice("HI")
            number = rng.choice((*ODD_NUMBERS, 30, 100)) % (65536 if form == "H" else 2**32)
            if rng.random() < 0.5:
                found[at : at + 2] = struct.pack("<H", rng.choice((0, 1, 8, 9, 12, 14, 32, 64, 99, 2048)))
            else:
                found[at : at + struct.calcsize(form)] = struct.pack(f"<{form}", number)
    content = bytes(found)
    if rng.random() < 0.4:
        content = mutated(rng, content, content)
    if rng.random() < 0.05:
        content = rng.randbytes(50) + content  # a self-extracting one
    source = place / rng.choice(("a.zip", "B.ZIP"))
    source.write_bytes(content)
    return source, how(rng)


def tar_block(name: str, kind: bytes, content: bytes, *, said: int | None = None, link: str = "") -> bytes:
    """One raw entry, padded; ``said`` is the size that its header tells."""
    info = tarfile.TarInfo(name[:90])
    info.type, info.linkname, info.size = kind, link, len(content) if said is None else said
    head = info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    return head + content + bytes(-len(content) % 512)


def checksum_mended(head: bytes) -> bytes:
    head = head[:148] + b" " * 8 + head[156:]
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]


def pax(*entries: tuple[str, str]) -> bytes:
    found = b""
    for key, value in entries:
        rest = f" {key}={value}\n".encode("utf-8", "surrogateescape")
        length = len(rest) + len(str(len(rest) + 2))
        found += str(length).encode() + rest
    return found


def packed(rng: Random, content: bytes) -> tuple[str, bytes]:
    """(ending, bytes) in one of the compressions."""
    match rng.randrange(5):
        case 0:
            return rng.choice((".tar.gz", ".tgz")), gzip.compress(content, mtime=0)
        case 1:
            return ".tar.xz", lzma.compress(content)
        case 2:
            return ".tar.bz2", bz2.compress(content)
        case _:
            return ".tar", content


@family
def tars(rng: Random, place: Path) -> Asked:
    """TAR archives with odd names, kinds and extended headers, then injured, before or after compression."""
    kinds = [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE]
    kinds += [tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, b"Z", b"V"]
    keys = ["size", "path", "linkpath", "mtime", "uid", "hdrcharset", "GNU.sparse.map", "GNU.sparse.major"]
    keys += ["GNU.sparse.minor", "GNU.sparse.size", "GNU.sparse.numblocks", "GNU.sparse.name", "x", "GNU.sparse.offset"]
    values = [
        "-1",
        "0",
        "1",
        "-1024",
        "99999999999999",
        "nan",
        "",
        "1,2,3",
        "../x.png",
        "9" * 400,
        "BINARY",
        "1e9",
        "\udcff",
    ]
    found = b""
    for name, content in members(rng):
        if rng.random() < 0.15:
            entries = [(rng.choice(keys), rng.choice(values)) for _ in range(rng.randrange(1, 5))]
            head = mutated(rng, pax(*entries), b"9 a=b\n") if rng.random() < 0.3 else pax(*entries)
            found += tar_block("x", rng.choice((tarfile.XHDTYPE, tarfile.XHDTYPE, tarfile.XGLTYPE)), head)
        kind = rng.choice(kinds) if rng.random() < 0.2 else tarfile.REGTYPE
        said = rng.choice((0, 1, 2**20, 2**33)) if rng.random() < 0.03 else None
        found += tar_block(
            name, kind, content, said=said, link=rng.choice(("good.png", "/etc/passwd", "../canary.png"))
        )
        if rng.random() < 0.07:
            start = len(found) - 512 * (1 + (len(content) + 511) // 512)
            head = mutated(rng, found[start : start + 512], b"777")[:512].ljust(512, b"\0")
            found = found[:start] + checksum_mended(head) + found[start + 512 :]
    found += bytes(rng.choice((1024, 1024, 512, 0)))
    start = len(found) // 4
    if rng.random() < 0.15:
        found = found[:start] + mutated(rng, found[start:], found)
    ending, content = packed(rng, found)
    if rng.random() < 0.15:
        content = mutated(rng, content, content)
    source = place / f"a{ending}"
    source.write_bytes(content)
    return source, how(rng)


# ── metadata ──


def value(rng: Random, depth: int = 0) -> Any:
    """Anything that JSON can hold, and some that it should not."""
    plain: tuple[Any, ...] = (
        None, True, False, 0, -1, 7, 1007, 2**63, 10**400, 1.5, float("nan"), float("inf"), "", "hat", "1", "1.png",
        "../../canary.png", "/etc/passwd", "\ud800", "a b, c", "[1", '["a"]', "x" * 500, "\0", "\n", "👾", "٣", "1007", "-1",
    )  # fmt: skip
    if depth < 4 and rng.random() < 0.3:
        if rng.random() < 0.5:
            return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
        return {
            rng.choice(("name", "tags", "a", "", "general")): value(rng, depth + 1) for _ in range(rng.randrange(4))
        }
    return rng.choice(plain)


def lines(rng: Random) -> Iterator[bytes]:
    """Lines of metadata: some good, most odd."""
    yield rng.choice((b"", b"\xef\xbb\xbf", b"[", b"\xff\xfe", b"file_name,tags,label\n", b"\0", b"\n"))
    keys = ("id", "file_name", "md5", "tags", "tag_string", "label", "labels", "image", "x")
    for _ in range(rng.randrange(6)):
        entry = {key: value(rng) for key in rng.sample(keys, rng.randrange(5))}
        if rng.random() < 0.6:
            entry["file_name"] = rng.choice(("1.png", "2.png", "sub/3.png", "good.png", "../1.png", "none.png"))
        match rng.randrange(9):
            case 0:
                yield rng.choice(
                    (b"[1, 2]\n", b"null\n", b"7\n", b'"x"\n', b"{\n", b"\xff\n", b"{}\n", b"\r\r\n", b'"\n')
                )
            case 1:
                depth = rng.choice((5, 300, 900, 960, 980, 990, 5000, 100_000))
                key = rng.choice((b"id", b"tags", b"file_name"))
                yield b'{"' + key + b'": ' + b"[" * depth + b"]" * depth + b"}\n"
            case 2:
                yield mutated(rng, json.dumps(entry).encode() + b"\n", b'"],{')
            case 3:
                yield rng.choice(
                    (b"1.png,hat,x\n", b'1.png,"hat\n', b"\0,\0\n", b"1.png,a,b,c,d\n", b",,\n", b'2.png,"a b",\n')
                )
            case 4:
                text = json.dumps({"labels": [["1.png", value(rng)], value(rng), ["sub/3.png", 1]]})
                yield text.encode() + b"\n"
            case _:
                yield json.dumps(entry).encode() + rng.choice((b"\n", b"\r\n", b",\n", b"\n\n"))


@family
def metadata(rng: Random, place: Path) -> Asked:
    """Pictures beside metadata of wrong types, and a tag query over them."""
    source = place / "source"
    (source / "sub").mkdir(parents=True)
    for i, name in enumerate(("1.png", "2.png", "sub/3.png", "1007.png")):
        drawing(i, (20, 20)).save(source / name)
    names = ["metadata.jsonl", "metadata.csv", "dataset.json", "1.json", "2.png.json", "sub/3.json", "x.jsonl"]
    names += ["sub/metadata.jsonl", "metadata.parquet", "2017.json", "sub/dataset.json", "sub/metadata.csv"]
    for name in rng.sample(names, rng.randrange(1, 4)):
        (source / name).write_bytes(b"".join(lines(rng)))
    options: dict[str, Any] = {}
    if rng.random() < 0.3:
        options["tags"] = rng.choice(("hat", "!hat", "hat | !a", "!(1 & name)", '"a b"', '!"\ud800"'))
    if rng.random() < 0.1:
        extra = place / rng.choice(("known.jsonl", "known.csv", "dataset.json"))
        extra.write_bytes(b"".join(lines(rng)))
        options["metadata"] = extra
    return source, options


# ── folders and pairs ──


@family
def folders(rng: Random, place: Path) -> Asked:
    """Folders with odd names, links, loops and pipes."""
    source = place / rng.choice(("source", "new\nline", "-o", "👾", "a.png", "x.zip", os.fsdecode(b"\xff\xfe")))
    source.mkdir()
    names = ["new\nline.png", "-rf.png", "👾.png", os.fsdecode(b"\xff\x80.png"), " .png", "a.png", "x" * 240 + ".png"]
    names += ["b.PNG", "tab\t.png", 'quo"te.png', "com,ma.png", "cr\r.png", "\x1b[31m.png", "\u2028.png", "٣٣.png"]
    inner = [source]
    for _ in range(rng.randrange(5)):
        folder = rng.choice(inner) / rng.choice((*names, "cats", "dogs", ".hidden", "0007"))
        if not folder.exists():
            folder.mkdir()
            inner.append(folder)
    for _ in range(rng.randrange(1, 8)):
        path = rng.choice(inner) / rng.choice(names)
        if path.exists() or path.is_symlink():
            continue
        match rng.randrange(8):
            case 0:
                path.symlink_to(
                    rng.choice((place / "canary.txt", source, Path(".."), path, Path("nowhere"), Path("a.png")))
                )
            case 1:
                os.mkfifo(path)
            case 2:
                path.write_bytes(b"")
            case 3:
                path.write_bytes(hurt(rng)[1])
            case _:
                path.write_bytes(CORPUS()[rng.choice(("rgb.png", "l.png", "rgba.png", "deep.png"))])
    return source, how(rng)


@family
def pairs(rng: Random, place: Path) -> Asked:
    """Two places, or two pictures in one, with injured ones among them."""
    source, sketches = place / "source", place / "sketches"
    for folder in (source, sketches):
        folder.mkdir()
        for i in range(4):
            ending, content = ("png", CORPUS()["rgb.png"]) if rng.random() < 0.4 else hurt(rng)
            (folder / f"{i}.{ending}").write_bytes(content)
    if rng.random() < 0.5:
        return source, how(rng, side_by_side=rng.choice(("source-left", "source-right")))
    if rng.random() < 0.3:
        archive = place / "sketches.zip"
        with zipfile.ZipFile(archive, "w", rng.choice((0, 8))) as zipped:
            for path in sorted(sketches.iterdir()):
                zipped.write(path, path.name)
        if rng.random() < 0.5:
            archive.write_bytes(mutated(rng, archive.read_bytes(), b"PK"))
        return source, how(rng, pairs_from=archive)
    return source, how(rng, pairs_from=sketches)


# ── bombs: little on the disk, much in memory or time ──

BOMBS: dict[str, Callable[[Path], Asked]] = {}
HEAVY: set[str] = set()  # takes seconds: only with -m slow


def bomb(function: Callable[[Path], Asked]) -> Callable[[Path], Asked]:
    BOMBS[function.__name__] = function
    return function


def heavy(function: Callable[[Path], Asked]) -> Callable[[Path], Asked]:
    HEAVY.add(function.__name__)
    return bomb(function)


def beside(place: Path, files: dict[str, bytes]) -> Path:
    """These files and a good picture."""
    source = place / "source"
    source.mkdir()
    for name, content in {"good.png": CORPUS()["rgb.png"], **files}.items():
        (source / name).write_bytes(content)
    return source


def zip_of(place: Path, method: int, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(place / "a.zip", "w", method) as archive:
        for name, content in {"good.png": CORPUS()["rgb.png"], **files}.items():
            archive.writestr(name, content)
    return place / "a.zip"


def zeros(count: int) -> bytes:
    """So many zeros, deflated."""
    packer = zlib.compressobj(1)
    block = packer.compress(bytes(2**20))
    for _ in range(count // 2**20 - 1):
        block += packer.compress(bytes(2**20))
    return block + packer.flush()


@bomb
def pictures_of_huge_size(place: Path) -> Asked:
    rows = zlib.compress(bytes(4000))
    files = {f"{w}x{h}.png": png(w, h, 0, rows, bits=1) for w, h in ((30_000, 30_000), (2**31 - 1, 1), (1, 2**31 - 1))}
    gif = bytearray(CORPUS()["still.gif"])
    gif[6:10] = b"\xff" * 4
    files["screen.gif"] = bytes(gif)
    at = gif.find(b"\x2c") + 5
    gif[6:10], gif[at : at + 4] = b"\x08\0\x08\0", b"\xff" * 4
    files["frame.gif"] = bytes(gif)
    bmp = bytearray(CORPUS()["rgb.bmp"])
    bmp[18:26] = struct.pack("<ii", 30_000, -30_000)
    files["a.bmp"] = bytes(bmp)
    return beside(place, files), {"min_side": 1}


@bomb
def tiffs_that_lie(place: Path) -> Asked:
    most = 2**32 - 1
    files = {
        "count.tif": flat_tiff(8, 8, length=most),
        "offset.tif": flat_tiff(8, 8, offset=most),
        "size.tif": flat_tiff(most, most),
        "entry.tif": flat_tiff(8, 8, (34675, 7, most, 8)),
        "strips.tif": flat_tiff(8, 8, (273, 4, 2**28, 8), (279, 4, 2**28, 8)),
        "samples.tif": flat_tiff(8, 8, (277, 3, 1, 65535)),
        "lzw.tif": flat_tiff(9000, 9000, (259, 3, 1, 5)),
        "tile.tif": flat_tiff(
            8, 8, (259, 3, 1, 8), (322, 4, 1, 2**20), (323, 4, 1, 2**20), (324, 4, 1, 8), (325, 4, 1, 64)
        ),
    }
    return beside(place, files), {"min_side": 1}


@bomb
def texts_in_pictures(place: Path) -> Asked:
    rows = zlib.compress(bytes(9 * 8))
    packed_zeros = zeros(200 * 2**20)
    kinds = {"zTXt": b"a\0\0", "iTXt": b"a\0\1\0\0\0", "iCCP": b"a\0\0"}
    files = {
        f"{kind}.png": png(8, 8, 0, rows, extra=chunk(kind.encode(), start + packed_zeros))
        for kind, start in kinds.items()
    }
    return beside(place, files), {"min_side": 1}


@bomb
def scans_of_a_jpeg(place: Path) -> Asked:
    """A large progressive JPEG of thousands of passes."""
    out = io.BytesIO()
    Image.new("L", (6000, 6000)).save(out, "JPEG", progressive=True)
    content = out.getvalue()
    start = content.rindex(b"\xff\xda")
    passes = (content[start:-2] * 2000) + content[-2:]
    return beside(place, {"a.jpg": content[:start] + passes}), {}


@bomb
def frames_of_a_gif(place: Path) -> Asked:
    content = CORPUS()["animated.gif"]
    start = content.rindex(b"\x21\xf9")
    return beside(place, {"a.gif": content[:start] + content[start:-1] * 20_000 + b";"}), {"animated": "skip"}


@bomb
def zeros_called_png(place: Path) -> Asked:
    content = zipfile.ZipFile(place / "a.zip", "w", zipfile.ZIP_DEFLATED)
    with content, content.open("a.png", "w") as file:
        for _ in range(150):
            file.write(bytes(2**20))
    return place / "a.zip", {}


@heavy
def a_zip_that_lies(place: Path) -> Asked:
    """Said to be small, in a compression that unpacks whole."""
    path = zip_of(place, zipfile.ZIP_BZIP2, {"big.png": bytes(700 * 2**20)})
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 700 * 2**20), struct.pack("<I", 1000)))
    return path, {}


@bomb
def junk_for_metadata(place: Path) -> Asked:
    junk = {"metadata.jsonl": b"1\n" * 15_000_000, "x.json": b"[]\n" * 5_000_000}
    return zip_of(place, zipfile.ZIP_DEFLATED, junk), {}


@bomb
def long_lines(place: Path) -> Asked:
    files = {
        "metadata.jsonl": b'{"id": "' + b"x" * (20 * 2**20) + b'"}\n{"file_name": "good.png", "tags": "hat"}\n',
        "metadata.csv": b"file_name,tags\n" + b"x," * (15 * 2**20) + b'\ngood.png,"' + b"y" * 2**20 + b'"\n',
        "dataset.json": b'{"labels": [' + b"{}," * (10 * 2**20) + b"0]}",
        "good.json": b'{"tags": ' + b"[" * 2**20 + b"]" * 2**20 + b"}",
    }
    return beside(place, files), {"tags": "hat | !hat"}


@bomb
def one_member_many_times(place: Path) -> Asked:
    """A directory whose entries all point at the same bytes."""
    path = zip_of(place, zipfile.ZIP_DEFLATED, {f"{i}.png": bytes(2**20) for i in range(50)})
    content = path.read_bytes()
    first = content.index(b"PK\1\2")
    found = bytearray(content)
    at = first
    while (at := content.find(b"PK\1\2", at + 4)) > 0:
        found[at + 42 : at + 46] = content[first + 42 : first + 46]
    path.write_bytes(found)
    return path, {}


@bomb
def a_tar_of_zeros(place: Path) -> Asked:
    head = tar_block("a.png", tarfile.REGTYPE, b"", said=200 * 2**20)
    (place / "a.tar.gz").write_bytes(gzip.compress(head) + gzip.compress(bytes(200 * 2**20), 6))
    return place / "a.tar.gz", {}


@bomb
def a_tar_of_headers(place: Path) -> Asked:
    """A name as long as an archive, which Python would read whole."""
    head = tar_block("x", tarfile.GNUTYPE_LONGNAME, b"", said=80 * 2**20)
    (place / "a.tar.gz").write_bytes(gzip.compress(head) + gzip.compress(b"x" * (80 * 2**20), 1))
    return place / "a.tar.gz", {}


@bomb
def a_tar_of_holes(place: Path) -> Asked:
    """A list of holes as long as an archive."""
    keys = pax(("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "9"))
    start = tar_block("x", tarfile.XHDTYPE, keys) + tar_block("a.png", tarfile.REGTYPE, b"", said=300 * 2**20)
    content = gzip.compress(start + b"99999999\n") + gzip.compress(b"0\n" * (60 * 2**20), 1)
    (place / "a.tar.gz").write_bytes(content)
    return place / "a.tar.gz", {}


@bomb
def a_tar_in_circles(place: Path) -> Asked:
    """An entry of negative size: the next one is itself."""
    good = tar_block("good.png", tarfile.REGTYPE, CORPUS()["rgb.png"])
    head = tar_block("x", tarfile.XHDTYPE, pax(("size", "-1536")))
    (place / "a.tar").write_bytes(good + head + tar_block("a.png", tarfile.REGTYPE, b"x") + bytes(1024))
    return place / "a.tar", {}


def large(mode: str, kind: str, size: tuple[int, int] = (9400, 9400), **how: Any) -> bytes:
    """A picture as large as is allowed, of one colour."""
    out = io.BytesIO()
    Image.new(mode, size, 1).save(out, kind, **how)
    return out.getvalue()


@heavy
def the_largest_png(place: Path) -> Asked:
    return beside(place, {"a.png": large("RGBA", "PNG", compress_level=1)}), {}


@heavy
def the_longest_strip(place: Path) -> Asked:
    return beside(place, {"a.png": large("RGBA", "PNG", (600, 149_000), compress_level=1)}), {}


@heavy
def the_largest_float(place: Path) -> Asked:
    return beside(place, {"a.tif": large("F", "TIFF", compression="tiff_deflate")}), {}


@heavy
def the_largest_webp(place: Path) -> Asked:
    """Of 6600 × 6600, which is taken, and 9400 × 9400: 40 bytes each."""
    start, end = "5249464620000000574542505650384c140000002f", "075081540820000a9aa2c48888fe07"
    files = {f"{middle}.webp": bytes.fromhex(start + middle + end) for middle in ("c7d97116", "b7e42d19")}
    return beside(place, files), {"duplicates": "keep"}


def run_bomb(name: str) -> str:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        root = Path(temporary)
        (root / "deep").mkdir()
        source, options = BOMBS[name](root / "deep")
        return check(root, source, options)


def many(name: str, count: int, first: int = 0) -> dict[str, Any]:
    """So many cases of a family (or all bombs) in this process."""
    began, outcomes = time.monotonic(), Counter[str]()
    for case in sorted(BOMBS) if name == "bombs" else range(first, first + count):
        faulthandler.dump_traceback_later(3 * SECONDS, exit=True)  # a hang says where
        outcomes[run_bomb(case) if isinstance(case, str) else run_case(name, case)] += 1
        faulthandler.cancel_dump_traceback_later()
    return {"cases": outcomes.total(), "seconds": round(time.monotonic() - began, 1), "outcomes": dict(outcomes)}


# ── the suite ──


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_whatever_comes_in_ends_in_a_dataset_or_a_sentence(name: str) -> None:
    outcomes = Counter(run_case(name, seed) for seed in range(18))
    assert outcomes.total() == 18 and len(outcomes) > 1, "cases that all end alike test little"


def test_all_families_are_there() -> None:
    assert sorted(FAMILIES) == ["folders", "metadata", "pairs", "pictures", "tars", "zips"]
    assert len(BOMBS) == 18 and len(HEAVY) == 5 and len(CORPUS()) >= 45


@pytest.mark.parametrize("name", sorted(BOMBS.keys() - HEAVY))
def test_bombs_do_not_go_off(name: str) -> None:
    run_bomb(name)


SLOW = {"pictures": 4000, "zips": 2000, "tars": 2500, "metadata": 1500, "folders": 500, "pairs": 1000, "bombs": 0}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SLOW))
def test_thousands_of_cases_in_bounded_memory(name: str) -> None:
    """From a seed on that the quick part does not reach; a crash of the interpreter itself shows too."""
    command = [sys.executable, "-X", "faulthandler", __file__, name, str(SLOW[name]), "1000"]
    ran = subprocess.run(command, capture_output=True, timeout=550, check=False)
    assert ran.returncode == 0, ran.stderr.decode(errors="replace")[-6000:]
    told = json.loads(ran.stdout)
    print(name, told)
    assert told["cases"] == (SLOW[name] or len(BOMBS))
    assert told["megabytes"] < MEGABYTES, told


ANYTHING = settings(
    derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck), max_examples=30
)  # the same cases everywhere, and nothing kept between runs
THOUSANDS = settings(ANYTHING, max_examples=1500)
HUNDREDS = settings(ANYTHING, max_examples=300)

queries = st.text() | st.text(alphabet=' ab1&|!()"*?:~-_\n\ud800٣', max_size=40)


def ask(query: str, tags: set[str]) -> None:
    try:
        asks = screening.tag_query(query)
    except UsageError as error:
        assert str(error).isprintable()
    else:
        assert asks(tags) in (True, False)
        assert isinstance(str(asks), str)


@ANYTHING
@example("(" * 10_000, set())
@example("!" * 10_000 + "a", {"a"})
@example("a|" * 10_000 + "a", {"a"})
@given(queries, st.sets(st.text(max_size=3)))
def test_any_text_is_a_query_or_refused(query: str, tags: set[str]) -> None:
    ask(query, tags)


@pytest.mark.slow
@THOUSANDS
@given(queries, st.sets(st.text(max_size=3)))
def test_thousands_of_texts_are_queries_or_refused(query: str, tags: set[str]) -> None:
    ask(query, tags)


sizes = st.one_of(
    st.integers(-5, 70),
    st.sampled_from([2048, 2049, 10**30]),
    st.text(max_size=8),
    st.from_regex(r"[0-9]{1,2}[x×][0-9]{1,2}"),
)
colours = st.one_of(
    st.text(max_size=10),
    st.sampled_from(
        ["#fff", "#12345678", "rgb(300,0,0)", "hsv(0,0%,999%)", "rgb(" + "9" * 400 + ",0,0)", "rgb(9%,9%,9%)"]
    ),
    st.from_regex(r"#[0-9a-f]{3,8}"),
)
anyhow = st.fixed_dictionaries(
    {},
    optional={
        "size": sizes,
        "fit": st.sampled_from(["crop", "letterbox", "fill", "squish"]),
        "paper": colours,
        "min_side": st.none() | st.integers(-2, 50) | st.just(10**30),
        "bars": st.sampled_from(["drop", "crop", "keep"]),
        "enlarge": st.booleans(),
        "grey": st.booleans(),
        "animated": st.sampled_from(["first", "skip"]),
        "duplicates": st.sampled_from(["drop", "keep"]),
        "tags": queries,
        "side_by_side": st.sampled_from([None, "source-left", "source-right"]),
    },
)
PLAIN = ("rgb.png", "rgba.png", "1.png", "deep.tif", "animated.gif")


def prepared_with(options: dict[str, Any], files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz-") as temporary:
        (Path(temporary) / "deep").mkdir()
        check(Path(temporary), beside(Path(temporary) / "deep", files), options)


sides = st.integers(1, 300)


def framed_with(options: dict[str, Any], width: int, height: int) -> None:
    out = io.BytesIO()
    drawing(5, (width, height)).save(out, "PNG", compress_level=1)
    prepared_with(options, {"drawn.png": out.getvalue(), **{name: CORPUS()[name] for name in PLAIN}})


@ANYTHING
@example({"size": "4x7"}, 37, 29)  # a box that rounding left a little outside of the picture
@given(anyhow, sides, sides)
def test_any_options(options: dict[str, Any], width: int, height: int) -> None:
    framed_with(options, width, height)


@pytest.mark.slow
@HUNDREDS
@given(anyhow, sides, sides)
def test_hundreds_of_options(options: dict[str, Any], width: int, height: int) -> None:
    framed_with(options, width, height)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8)
    | st.just("good.png"),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "tags", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
json_entries = st.dictionaries(
    st.sampled_from(["file_name", "id", "md5", "tags", "tag_string", "label", "labels", "image"]),
    json_values,
    max_size=4,
)
metadata_files = st.dictionaries(
    st.sampled_from(["metadata.jsonl", "metadata.csv", "good.json", "dataset.json", "x.json"]),
    st.lists(st.one_of(json_entries.map(json.dumps), st.text(max_size=20))).map("\n".join),
    min_size=1,
)


def described_by(files: dict[str, str]) -> None:
    prepared_with({}, {name: text.encode("utf-8", "surrogatepass") for name, text in files.items()})


@ANYTHING
@given(metadata_files)
def test_any_metadata(files: dict[str, str]) -> None:
    described_by(files)


@pytest.mark.slow
@HUNDREDS
@given(metadata_files)
def test_hundreds_of_metadata(files: dict[str, str]) -> None:
    described_by(files)


# ── what was found this way ──


def test_a_name_never_breaks_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "new\nline\x1b[31m").mkdir()
    with pytest.raises(UsageError, match=r"folder .*new\\nline\\x1b\[31m holds no picture"):
        prepare(tmp_path / "new\nline\x1b[31m", tmp_path / "data")


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000])
def test_names_that_are_too_long(name: str, tmp_path: Path, drawings: Path) -> None:
    with pytest.raises(Fault, match="the name is too long"):
        prepare(tmp_path / name, tmp_path / "data")
    with pytest.raises(Fault, match="the name is too long"):
        prepare(drawings, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_zip_may_hold_a_file_without_a_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        nameless = zipfile.ZipInfo("x")
        nameless.filename = ""
        archive.writestr(nameless, b"")
        archive.writestr("good.png", CORPUS()["rgb.png"])
    assert len(prepare(tmp_path / "a.zip", tmp_path / "data", size=16)) == 1


def test_damaged_metadata_in_an_archive_is_named(tmp_path: Path) -> None:
    path = zip_of(tmp_path, zipfile.ZIP_DEFLATED, {"metadata.jsonl": b'{"file_name": "good.png", "tags": "hat"}\n'})
    content = bytearray(path.read_bytes())
    content[content.index(b"metadata.jsonl") + 20] ^= 255
    path.write_bytes(content)
    prepare(path, tmp_path / "data", size=16)
    assert "orphan,unreadable metadata,metadata.jsonl" in (tmp_path / "data" / "quarantine.csv").read_text()


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zips_that_unpack_whole_are_refused_by_name(method: int, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"holds no picture .*refused: 1, the first unusual compression in the archive"
    ):
        prepare(zip_of(tmp_path, method, {}), tmp_path / "data")


def test_a_zip_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = zip_of(tmp_path, zipfile.ZIP_STORED, {"a.png": CORPUS()["l.png"]})
    assert len(prepare(path, tmp_path / "one", size=16)) == 2
    path = zip_of(tmp_path, zipfile.ZIP_STORED, {"other.png": CORPUS()["l.png"], "third.gif": CORPUS()["still.gif"]})
    assert [r.path for r in prepare(path, tmp_path / "two", size=16, duplicates="keep").records()] == [
        "good.png",
        "other.png",
        "third.gif",
    ]


def test_a_damaged_entry_of_a_tar_is_not_its_end(tmp_path: Path) -> None:
    entries = [tar_block(f"{i}.png", tarfile.REGTYPE, CORPUS()["rgb.png"]) for i in range(3)]
    entries[1] = b"?" + entries[1][1:]
    (tmp_path / "a.tar").write_bytes(b"".join(entries) + bytes(1024))
    with pytest.raises(Fault, match="damaged or cut short after 1 files"):
        prepare(tmp_path / "a.tar", tmp_path / "data")


def test_a_sub_folder_that_cannot_be_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = beside(tmp_path, {})
    (source / "locked").mkdir()
    listed = os.scandir

    def refuse(path: str) -> object:
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr(os, "scandir", refuse)  # permissions do not bind an administrator
    with pytest.raises(Fault, match=r"cannot read folder .*locked"):
        prepare(source, tmp_path / "data", size=16)


def test_a_broken_second_frame_is_no_crash(tmp_path: Path) -> None:
    content = CORPUS()["animated.gif"]
    second = content.index(b"\x2c", content.index(b"\x21\xf9", content.index(b"\x2c")))
    source = beside(tmp_path, {"a.gif": content[: second + 3], "b.gif": content[: second + 5] + b"\xff" * 4})
    data = prepare(source, tmp_path / "data", size=16, animated="skip")
    assert len(data) + sum(data.manifest["left_out"].values()) == 3


def test_memory_that_runs_out_names_the_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(framing, "upright", exhausted)
    with pytest.raises(Fault, match=r"memory ran out over picture good.png; .*--workers 1"):
        prepare(beside(tmp_path, {}), tmp_path / "data", size=16)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]


@pytest.mark.parametrize(
    "options", [{"size": "9" * 5000}, {"paper": "rgb(300,0,0)"}, {"paper": "rgb(" + "9" * 90 + ",0,0)"}]
)
def test_numbers_out_of_range_are_refused(options: dict[str, Any], drawings: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is not a (size|colour)"):
        prepare(drawings, tmp_path / "data", **options)


if __name__ == "__main__":
    import resource

    told = many(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
    told["megabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps(told))
