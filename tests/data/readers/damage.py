"""Files damaged at random, as bytes or inside their packing, where every checksum is then right."""

import gzip
import io
import lzma
import random
import re
import struct
import zipfile
import zlib

import numpy as np

EDITS = ("flip", "cut", "swap", "zero", "ones", "repeat", "insert")


def damaged(content: bytes, rng: random.Random, head: int) -> bytes:
    """One to three edits, half of them within the first `head` bytes, where formats keep what they claim."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        content = _edited(content, rng.choice(EDITS), rng, min(head, len(content)))
    return content


def _edited(content: bytes, edit: str, rng: random.Random, head: int) -> bytes:
    if not content:
        return bytes(rng.randrange(64))
    reach = head if rng.random() < 0.5 else len(content)
    at, length = rng.randrange(max(1, reach)), rng.choice((1, 2, 4, 8, 64, 1024))
    piece = content[at : at + length]
    if edit == "flip":
        changed = bytes(b ^ (1 << rng.randrange(8)) for b in piece[:4])
        return content[:at] + changed + content[at + len(changed) :]
    if edit == "cut":
        return content[:at] if rng.random() < 0.3 else content[:at] + content[at + length :]
    if edit == "swap":
        other = rng.randrange(len(content))
        low, high = sorted((at, other))
        length = min(length, high - low, len(content) - high)
        first, second = content[low : low + length], content[high : high + length]
        return content[:low] + second + content[low + length : high] + first + content[high + length :]
    if edit == "repeat":
        return content[: at + length] + piece * rng.choice((1, 3)) + content[at + length :]
    if edit == "insert":
        return content[:at] + rng.randbytes(length) + content[at:]
    return content[:at] + (b"\0" if edit == "zero" else b"\xff") * len(piece) + content[at + len(piece) :]


def inside_gzip(content: bytes, rng: random.Random) -> bytes:
    """The unpacked bytes damaged, the header above all, and packed anew."""
    return gzip.compress(damaged(gzip.decompress(content), rng, 352), compresslevel=1)


def inside_png(content: bytes, rng: random.Random) -> bytes:
    """One chunk damaged and its checksum set right; pixels at times below their own packing, too."""
    chunks = png_chunks(content)
    at = rng.randrange(len(chunks))
    name, data = chunks[at]
    if name == b"IDAT" and rng.random() < 0.5:
        data = zlib.compress(damaged(zlib.decompress(data), rng, 64)) if len(chunks) < 4 else data[::-1]
    elif rng.random() < 0.1:
        name = rng.choice((b"IDAT", b"tRNS", b"PLTE", b"zTXt", b"eXIf", b"acTL", b"iCCP", b"sBIT"))
    else:
        data = damaged(data, rng, 16)
    chunks[at] = (name, data)
    if rng.random() < 0.1:
        chunks.insert(rng.randrange(len(chunks)), rng.choice(chunks))
    return png_file(chunks)


def png_chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG file: name and data."""
    at, found = 8, []
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        found.append((content[at + 4 : at + 8], content[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def png_file(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG file of these chunks, with right checksums."""
    packed = (struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


ODD = (
    *("NaN", "Infinity", "-Infinity", "nan", "inf", "1e999", "-1", "0", "1e308", "0.1", "null", "true", "[]"),
    *("{}", '""', '"\\u0000"', '"x"', "7" * 5000, "9" * 400, "18446744073709551616", "1979-05-27", "'", '"'),
    "\ufeff",
)
"""What may stand in the place of a value."""
DEEP = 100_000
"""So many brackets are opened, one in the other."""


def odd_text(content: bytes, rng: random.Random) -> bytes:
    """JSON, TOML, CSV or a notebook with one or two values replaced, removed or nested, or bytes damaged."""
    for _ in range(rng.choice((1, 1, 2))):
        found = list(re.finditer(rb'"[^"\n]*"|[-\w.]+', content))
        chance = rng.random()
        if chance < 0.3 or not found:
            content = damaged(content, rng, 400)
            continue
        at = rng.choice(found)
        if chance < 0.75:
            value = rng.choice(ODD).encode()
        elif chance < 0.85:
            value = rng.choice(found)[0]
        elif chance < 0.9:
            value = b""
        elif chance < 0.95:
            value = rng.choice((b"[", b'{"a":', b"(", b"-")) * DEEP
        else:
            value = b'"' + b"a" * rng.choice((10**4, 10**6)) + b'"'
        content = content[: at.start()] + value + content[at.end() :]
    return content


def inside_npz(content: bytes, rng: random.Random) -> bytes:
    """An array of a zip damaged, its header above all, or another kind of array; zipped anew."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(sorted(members))
    chance = rng.random()
    if chance < 0.7:
        members[name] = damaged(members[name], rng, 128)
    elif chance < 0.8:  # larger in its header than in its bytes
        shape = (rng.choice((10**3, 10**6, 10**12)), rng.choice((1, 10**4, 10**9)))
        head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
        members[name] = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + bytes(99)
    elif chance < 0.9:  # thousands of times its size
        members[name] = members[name][:128] + bytes(rng.choice((10**5, 5 * 10**7)))
    else:
        packed = io.BytesIO()
        np.save(packed, np.array([{"a": 1}], dtype=object))
        members[name] = packed.getvalue()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED))) as archive:
        for each, data in members.items():
            archive.writestr(each, data)
    return made.getvalue() if rng.random() < 0.8 else damaged(made.getvalue(), rng, 64)


def inside_xz(content: bytes, rng: random.Random) -> bytes:
    """Text compressed by xz: other values in it, or far more of it."""
    text = lzma.decompress(content)
    if rng.random() < 0.03:
        return lzma.compress(b"[" + b"0," * rng.choice((10**6, 10**8)) + b"0]", preset=1)
    return lzma.compress(odd_text(text, rng), preset=0) if rng.random() < 0.85 else damaged(content, rng, 32)


def inside_safetensors(content: bytes, rng: random.Random) -> bytes:
    """The header of a safetensors file, which is JSON, or its length, or its bytes."""
    (length,) = struct.unpack("<Q", content[:8])
    chance = rng.random()
    if chance < 0.2:
        return struct.pack("<Q", rng.choice((0, 1, length + 1, 2**31, 2**63, 10**8))) + content[8:]
    if chance < 0.6:
        header = odd_text(content[8 : 8 + length], rng)
        return struct.pack("<Q", len(header)) + header + content[8 + length :]
    return damaged(content, rng, 8 + length)
