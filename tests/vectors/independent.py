"""A verifier written from SPEC.md alone: it shares no code with the reader.

It answers with one of four words; a bundle is good only if every byte is right and every blob can be read.
"""

import hashlib
import json
import re
import struct
import subprocess
import zlib
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

GOOD, DAMAGED, UNTRUSTED, UNSUPPORTED = "good", "damaged", "untrusted", "unsupported"
FRAME = 4 << 20
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,63}")
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
WORD = re.compile(r"[a-z0-9][a-z0-9._+/-]{0,99}")
PATHS = {"oci-layout": "oci-layout", "oci-index": "index.json", "docker-manifest": "manifest.json"}


class Verdict(Exception):  # noqa: N818 - a verdict is no error of ours
    """Why a file is not good: one of the words, and what is wrong."""


def demand(condition: object, word: str, what: str) -> None:
    if not condition:
        raise Verdict(word, what)


def verdict_of(file: bytes, root: bytes) -> str:
    """What a site that believes the root document `root` says of a bundle."""
    try:
        check(file, root)
    except Verdict as verdict:
        return str(verdict.args[0])
    return GOOD


def check(file: bytes, root: bytes) -> None:
    page = choose_page(file, root)
    demand(page["version"][0] == 1 and page["kind"] < 2 and not page["incompatible"], UNSUPPORTED, "a later format")
    demand(not any(page["bytes"][124:128] + page["bytes"][192:252] + page["bytes"][3968:]), DAMAGED, "stray bytes")
    index_bytes = either(file, page, page["index"], page["index_size"] + 8, page["index_sha256"])
    index = parse(index_bytes)
    table = either(file, page, page["table"], page["payload"] - page["table"], read_digest(index["table"]["sha256"]))
    demand(len(table) % 40 == 0, DAMAGED, "half an entry")
    frames = list(struct.iter_unpack("<II32s", table))
    check_index(index, frames, page)
    demand(len(file) == page["total"], DAMAGED, "cut short or appended")
    check_payload(file[page["payload"] : page["total"] - page["payload"]], index, frames)
    head = b"".join(map(section, (page["trust"], index_bytes, table)))
    demand(file[4096 : page["payload"]] == head, DAMAGED, "front sections")
    demand(file[page["total"] - page["payload"] : -4096] == head, DAMAGED, "mirror")
    demand(file[:4096] == file[-4096:] == page["bytes"], DAMAGED, "pages differ")


def section(content: bytes) -> bytes:
    return struct.pack("<II", 0x184D2A5F, len(content)) + content


def choose_page(file: bytes, root: bytes) -> dict[str, Any]:
    """The first of both pages that somebody trusted has signed."""
    verdicts = []
    for content in (file[:4096], file[-4096:]):
        try:
            page = read_page(content)
            page["trust"] = either(file, page, 4096, page["index"] - 4096, page["trust_sha256"])
            judge(page, root)
        except Verdict as verdict:
            verdicts.append(verdict)
        else:
            return page
    raise next((one for one in verdicts if one.args[0] == UNTRUSTED), verdicts[0])


def read_page(content: bytes) -> dict[str, Any]:
    demand(len(content) == 4096, DAMAGED, "no page")
    demand(content[:16] == bytes.fromhex("5f2a4d18f80f0000464c4f544f0d0a1a"), DAMAGED, "no bundle")
    demand(zlib.crc32(content[:252]) == int.from_bytes(content[252:256], "little"), DAMAGED, "checksum")
    major, minor, kind, incompatible, _, total, index, size = struct.unpack_from("<HHIQQQQQ", content, 16)
    table, payload, sequence, minimum_root = struct.unpack_from("<QQQI", content, 96)
    demand(0 <= index - 4104 <= 1 << 20 and 0 < size <= 1 << 24, DAMAGED, "index place")
    demand(table == index + 8 + size and 0 <= payload - table - 8 <= 1 << 25, DAMAGED, "table place")
    demand(2 * payload <= total < 2**53, DAMAGED, "total")
    slots = [content[start : start + 128] for start in range(256, 3968, 128)]
    used = [slot for slot in slots if slot[:4] != bytes(4)]
    for slot in used:
        demand(slot[:32] == b"\1" + bytes(31), DAMAGED, "slot")
    keys = [slot[32:64] for slot in used]
    demand(keys == sorted(set(keys)) and slots[: len(used)] == used, DAMAGED, "slots not in order")
    demand(not any(b"".join(slots[len(used) :])), DAMAGED, "unused slot")
    return {
        "bytes": content,
        "version": (major, minor),
        "kind": kind,
        "incompatible": incompatible,
        "total": total,
        "index": index,
        "index_size": size,
        "index_sha256": content[64:96],
        "table": table,
        "payload": payload,
        "sequence": sequence,
        "minimum_root": minimum_root,
        "channel": content[128:160],
        "trust_sha256": content[160:192],
        "signatures": [(slot[32:64], slot[64:128]) for slot in used],
    }


def either(file: bytes, page: dict[str, Any], start: int, size: int, sha256: bytes) -> bytes:
    """A section's content, from its place or the mirror's."""
    for offset in (start, page["total"] - page["payload"] + start - 4096):
        stored = file[offset : offset + size]
        content = stored[8:]
        if stored == section(content) and len(stored) == size and hashlib.sha256(content).digest() == sha256:
            return content
    raise Verdict(DAMAGED, "a section and its mirror")


def judge(page: dict[str, Any], root: bytes) -> None:
    """Follow the root documents, count the signatures (trust/SPEC.md, verdict)."""
    believed = read_root(root)
    chain = []
    rest = page["trust"]
    while rest:
        size = struct.unpack_from("<Q", rest.ljust(32), 24)[0]
        chain.append(read_root(rest[: 4096 + size]))
        rest = rest[4096 + size :]
    for document in sorted(chain, key=lambda one: int(one["page_version"])):
        if document["page_version"] != believed["page_version"] + 1:
            continue
        for judged_by in (believed, document):
            count(judged_by, "root", b"floto/root-document/v1\0" + document["page"][:256], document["signatures"])
        believed = document
    names = {hashlib.sha256(f"shop\0{channel}".encode()).digest(): channel for channel in believed["channels"]}
    demand(page["channel"] in names, UNTRUSTED, "another product or channel")
    demand(page["minimum_root"] <= believed["version"], UNTRUSTED, "wants a later root")
    count(believed, "release", b"floto/bundle-header/v1\0" + page["bytes"][:256], page["signatures"])
    demand("sha256:" + page["index_sha256"].hex() not in believed["revoked"], UNTRUSTED, "revoked")
    demand(page["sequence"] >= believed["channels"][names[page["channel"]]], UNTRUSTED, "withdrawn")


def read_root(content: bytes) -> dict[str, Any]:
    """A signed document's page and payload; both were made by us, so their form is not checked here."""
    payload = content[4096:]
    demand(hashlib.sha256(payload).digest() == content[32:64], DAMAGED, "root document")
    slots = [content[start : start + 128] for start in range(256, 3968, 128)]
    document: dict[str, Any] = json.loads(payload)
    document["page"] = content[:4096]
    document["page_version"] = int.from_bytes(content[20:24], "little")
    document["signatures"] = [(slot[32:64], slot[64:]) for slot in slots if slot[0]]
    return document


def count(root: dict[str, Any], role: str, message: bytes, signatures: list[tuple[bytes, bytes]]) -> None:
    keys = {}
    for name in root["roles"][role]["keys"]:
        public = bytes.fromhex(root["keys"][name])
        keys[hashlib.sha256(b"floto/key/v1\0ed25519\0" + public).digest()] = public
    signers = set()
    for key_id, signature in signatures:
        if key_id in keys:
            try:
                Ed25519PublicKey.from_public_bytes(keys[key_id]).verify(signature, message)
            except InvalidSignature:
                raise Verdict(UNTRUSTED, "bad signature") from None
            signers.add(key_id)
    demand(len(signers) >= root["roles"][role]["threshold"], UNTRUSTED, "too few signatures")


def parse(text: bytes) -> dict[str, Any]:
    """Canonical JSON: what is written again must be the same text."""
    try:
        value = json.loads(text)
        again = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise Verdict(DAMAGED, "no JSON") from None
    demand(again == text and isinstance(value, dict), DAMAGED, "JSON not canonical")
    demand(integers_only(value), DAMAGED, "numbers")
    keys = "agent architectures attestations bases blobs channel codec definition expires format issued product release"
    demand(sorted(value) == sorted([*keys.split(), "sequence", "sites", "table"]), DAMAGED, "keys of the index")
    return value  # type: ignore[no-any-return]


def integers_only(value: Any) -> bool:
    match value:
        case dict():
            return all(map(integers_only, value.values()))
        case list():
            return all(map(integers_only, value))
        case bool() | None | str():
            return True
        case int():
            return abs(value) < 2**53
    return False


def read_digest(text: Any) -> bytes:
    demand(isinstance(text, str) and DIGEST.fullmatch(text), DAMAGED, "digest")
    return bytes.fromhex(text[7:])


def is_count(value: Any) -> bool:
    return type(value) is int and value >= 0


def matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def check_index(index: dict[str, Any], frames: list[tuple[int, int, bytes]], page: dict[str, Any]) -> None:
    demand(index["format"] == "floto-index/1" and is_count(index["issued"]), DAMAGED, "format")
    demand(matches(NAME, index["product"]) and matches(NAME, index["channel"]), DAMAGED, "name")
    demand(matches(VERSION, index["release"]) and matches(WORD, index["codec"]), DAMAGED, "release")
    named = hashlib.sha256(f"{index['product']}\0{index['channel']}".encode()).digest()
    demand(named == page["channel"] and index["sequence"] == page["sequence"], DAMAGED, "not what the page says")
    demand(index["table"]["frames"] == len(frames), DAMAGED, "number of frames")
    following, total, seen = 0, 0, set()
    for entry in index["blobs"]:
        demand(sorted(entry) == ["at", "base", "digest", "first", "frames", "size", "type"], DAMAGED, "entry")
        demand(all(is_count(entry[key]) for key in ("size", "first", "frames")), DAMAGED, "counts")
        demand(read_digest(entry["digest"]) and entry["digest"] not in seen, DAMAGED, "listed twice")
        demand(matches(WORD, entry["type"]) and entry["at"] in ("bundle", "site", "patch"), DAMAGED, "type")
        demand((entry["at"] == "patch") == (entry["base"] is not None), DAMAGED, "base")
        demand(entry["first"] == (following if entry["frames"] else 0), DAMAGED, "first frame")
        own = frames[following : following + entry["frames"]]
        sizes = [raw for _, raw, _ in own]
        if entry["at"] == "site":
            demand(not own and not entry["frames"], DAMAGED, "frames at the site")
        else:
            demand(len(own) == entry["frames"] and sum(sizes) == entry["size"], DAMAGED, "size")
        if entry["at"] == "bundle":
            demand(all(size == FRAME for size in sizes[:-1]), DAMAGED, "a frame that is not full")
            demand(all(0 < size <= FRAME for size in sizes), DAMAGED, "an empty or large frame")
            demand(all(0 < stored <= FRAME + 1088 for stored, _, _ in own), DAMAGED, "a frame stored too large")
        seen.add(entry["digest"])
        following += entry["frames"]
        total += entry["size"]
    demand(following == len(frames) and total < 2**53, DAMAGED, "frames left over")
    demand({index["definition"], *index["attestations"].values()} <= seen, DAMAGED, "not among the blobs")
    delta = any(entry["at"] != "bundle" for entry in index["blobs"])
    demand(delta == (page["kind"] == 1), DAMAGED, "kind")


def plain(content: bytes) -> bytes:
    stored = bytes.fromhex("28b52ffda0") + struct.pack("<I", len(content))
    for start in range(0, len(content), 1 << 17):
        block = content[start : start + (1 << 17)]
        last = start + len(block) == len(content)
        stored += (len(block) << 3 | last).to_bytes(3, "little") + block
    return stored


def tar_header(path: str, size: int) -> bytes:
    fields = [path.encode().ljust(100, b"\0"), b"0000644\0", b"0000000\0", b"0000000\0", b"%011o\0" % size]
    head = b"".join([*fields, b"00000000000\0", b" " * 8, b"0", bytes(100), b"ustar\x0000"]).ljust(512, b"\0")
    return head[:148] + b"%06o\0 " % sum(head) + head[156:]


def check_payload(payload: bytes, index: dict[str, Any], frames: list[tuple[int, int, bytes]]) -> None:
    at, padding = 0, b""
    for entry in index["blobs"]:
        if entry["at"] == "bundle":
            path = PATHS.get(entry["type"], "blobs/sha256/" + entry["digest"][7:])
            expected = plain(padding + tar_header(path, entry["size"]))
            demand(payload[at : at + len(expected)] == expected, DAMAGED, "tar header")
            at += len(expected)
            padding = bytes(-entry["size"] % 512)
        content = b""
        for stored_size, raw_size, sha256 in frames[entry["first"] :][: entry["frames"]]:
            stored = payload[at : at + stored_size]
            at += stored_size
            demand(hashlib.sha256(stored).digest() == sha256, DAMAGED, "frame")
            content += unpacked(stored, raw_size) if entry["at"] == "bundle" else b""
        if entry["at"] == "bundle":
            demand(hashlib.sha256(content).hexdigest() == entry["digest"][7:], DAMAGED, "blob")
    demand(payload[at:] == plain(padding + bytes(1024)), DAMAGED, "tar end")


def unpacked(stored: bytes, raw_size: int) -> bytes:
    """One zstd frame: its head and blocks are read here (RFC 8878, 3.1.1), the rest is the zstd program's."""
    demand(stored[:4] == bytes.fromhex("28b52ffd"), DAMAGED, "no zstd frame")
    flags = stored[4]
    single, checksum, dictionary, size_flag = flags >> 5 & 1, flags >> 2 & 1, flags & 3, flags >> 6
    at = 5
    if not single:
        exponent, mantissa = stored[at] >> 3, stored[at] & 7
        demand((1 << 10 + exponent) * (8 + mantissa) // 8 <= 8 << 20, DAMAGED, "window")
        at += 1
    demand(dictionary == 0, DAMAGED, "dictionary")
    width = (1 if single else 0, 2, 4, 8)[size_flag]
    stated = int.from_bytes(stored[at : at + width], "little") + (256 if width == 2 else 0)
    demand(width and stated == raw_size, DAMAGED, "stated size")
    at += width
    last = False
    while not last:
        demand(at + 3 <= len(stored), DAMAGED, "cut short")
        block = int.from_bytes(stored[at : at + 3], "little")
        last = bool(block & 1)
        at += 3 + (1 if block >> 1 & 3 == 1 else block >> 3)
    demand(at + 4 * checksum == len(stored), DAMAGED, "bytes after the frame")
    done = subprocess.run(["zstd", "-dc", "-q"], input=stored, capture_output=True, check=False)
    demand(done.returncode == 0 and len(done.stdout) == raw_size, DAMAGED, "does not decompress")
    return done.stdout
