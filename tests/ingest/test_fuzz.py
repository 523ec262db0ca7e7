"""Fuzzed lines by the thousand: none is lost, none is counted twice, and nothing crashes.

20,000 lines of each kind by default; `make fuzz` reads a million of each.
"""

import json
import os
import random

import pytest

from nightshelf.ingest.contract import REASONS
from tests.support.landing import GOOD, HEADER

LINES = int(os.environ.get("NIGHTSHELF_FUZZ_LINES", "20000"))
RECORD = json.dumps(dict(zip(HEADER.split(","), GOOD.split(","), strict=True))).encode()
BITS = (b"\0", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"{", b"}", b"[", b'"', b"\\", b",", b":", b"NaN",
        b"1e400", b"null", b" ", b"\t", b"\x1e", b"\x1f", "🧀".encode(), b"9" * 400, b"[" * 900)  # fmt: skip


def mutated(line: bytes, chance: random.Random, bits: tuple[bytes, ...]) -> bytes:
    """One to four of: a byte flipped, a stretch cut out, a bit put in, a stretch doubled."""
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(line) + 1)
        to = min(len(line), at + chance.randint(1, 12))
        match chance.randrange(4):
            case 0:
                flipped = bytes([line[at] ^ (1 << chance.randrange(8))]) if at < len(line) else b""
                line = line[:at] + flipped + line[at + 1 :]
            case 1:
                line = line[:at] + line[to:]
            case 2:
                line = line[:at] + chance.choice(bits) + line[at:]
            case 3:
                line = line[:to] + line[at:to] + line[to:]
    return line.replace(b"\n", b"n")


def fuzzed(line: bytes, n: int, bits: tuple[bytes, ...], but: bytes = b"") -> list[bytes]:
    """Every third line is whole; no line holds a byte of `but`."""
    chance = random.Random(20_261)
    lines = [line if i % 3 == 0 else mutated(line, chance, bits) for i in range(n)]
    return [x.translate(None, but) for x in lines]


def reconciles(landing, expected: int) -> None:
    taken = landing.ingest()
    (file,) = landing.ledger.files()
    assert (file.rows_read, file.records) == (expected, expected)
    assert file.rows_read == file.accepted + file.quarantined == taken.rows_read
    accepted = {n for (n,) in landing.events("row_number")}
    refused = landing.quarantine("row_number, reason, line")
    assert (len(accepted), len(refused)) == (file.accepted, file.quarantined)
    assert accepted.isdisjoint(n for n, *_ in refused)
    assert {reason for _, reason, _ in refused} <= set(REASONS)
    assert file.accepted >= expected // 3
    assert file.quarantined > expected // 20


def test_fuzzed_json_lines_reconcile(landing):
    lines = fuzzed(RECORD, LINES, BITS)
    landing.put("a.jsonl", b"\n".join([*lines, b""]))
    reconciles(landing, sum(bool(x.strip(b" \t\r")) for x in lines))


@pytest.mark.parametrize("n", [LINES])
def test_fuzzed_csv_lines_reconcile(landing, n):
    """Without quotes and carriage returns, so that a line of bytes is a record."""
    bits = tuple(b for b in BITS if b'"' not in b)
    lines = fuzzed(GOOD.encode(), n, bits, but=b'"\r')
    landing.put("a.csv", b"\n".join([HEADER.encode(), *lines, b""]))
    reconciles(landing, sum(bool(x) for x in lines))
