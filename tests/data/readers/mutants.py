"""Files damaged at random, as bytes or inside their packing, where every checksum is then right."""

import gzip
import random
import struct
import zlib

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
