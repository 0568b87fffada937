#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""koop-frame(5), read by a second implementation that shares nothing with the
first: usage frame.py <stream >object.  Checks every checksum, parity too, and
rebuilds data cells that are missing or bad.  For small streams."""

import sys


def table(polynomial):
    out = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ polynomial if byte & 1 else byte >> 1
        out.append(byte)
    return out


TABLES = {
    "crc32c": (table(0x82F63B78), (1 << 32) - 1),
    "xz": (table(0xC96C5795D7870F42), (1 << 64) - 1),
    "nvme": (table(0x9A6C9329AC4BC9B5), (1 << 64) - 1),
}


def crc(kind, data, value=0):
    rows, ones = TABLES[kind]
    value ^= ones
    for byte in data:
        value = value >> 8 ^ rows[(value ^ byte) & 255]
    return value ^ ones


EXP = [1]
for _ in range(254):
    EXP.append(EXP[-1] << 1 ^ (0x11D if EXP[-1] & 128 else 0))
LOG = {value: power for power, value in enumerate(EXP)}


def mul(a, b):
    return EXP[(LOG[a] + LOG[b]) % 255] if a and b else 0


def inverse(a):
    return EXP[-LOG[a] % 255]


def row(shard, data):
    """The coefficients of the data cells in a shard."""
    if shard < data:
        return [int(shard == j) for j in range(data)]
    return [inverse(shard ^ j) for j in range(data)]


def combine(coefficients, cells):
    out = bytearray(len(cells[0]))
    for c, cell in zip(coefficients, cells):
        if c:
            times = bytes(mul(c, x) for x in range(256))
            for i, x in enumerate(cell.translate(times)):
                out[i] ^= x
    return bytes(out)


def invert(rows):
    n = len(rows)
    m = [list(r) + [int(i == j) for j in range(n)] for i, r in enumerate(rows)]
    for i in range(n):
        pivot = next(r for r in range(i, n) if m[r][i])
        m[i], m[pivot] = m[pivot], m[i]
        scale = inverse(m[i][i])
        m[i] = [mul(scale, x) for x in m[i]]
        for r in range(n):
            if r != i and m[r][i]:
                f = m[r][i]
                m[r] = [x ^ mul(f, y) for x, y in zip(m[r], m[i])]
    return [r[n:] for r in m]


def need(true, what):
    if not true:
        sys.exit("frame.py: " + what)


def take(stream, n):
    got = stream.read(n)
    need(len(got) == n, "the stream ends early")
    return got


def frame(stream, request_id):
    head = take(stream, 32)
    number = lambda at, n: int.from_bytes(head[at:at + n], "little")
    need(head[:4] == b"KPF1", "no KPF1")
    need(number(6, 2) == 0 and number(24, 4) == 0, "zeros that are none")
    need(number(28, 4) == crc("crc32c", head[:28] + request_id),
         "bad header checksum")
    payload = take(stream, number(8, 4))
    good = crc("crc32c", payload) == number(12, 4)
    return head[4], head[5], number(16, 8), payload, good


def text(payload):
    lines = payload.decode("ascii").rstrip("\n").split("\n")
    return dict(line.split("=", 1) for line in lines)


def rebuild(cells, data):
    have = sorted(cells)[:data]
    need(len(have) == data, "too few cells")
    back = invert([row(j, data) for j in have])
    old = [cells[j] for j in have]
    return [cells[j] if j in cells else combine(back[j], old)
            for j in range(data)]


def main(stream, out):
    kind, shard, _, payload, good = frame(stream, bytes(16))
    need(kind == 1 and shard == 255 and good and len(payload) == 480,
         "no BEGIN")
    begin = text(payload)
    need(begin["format"] == "2" and begin["code"] == "rs-cauchy", "format")
    data = int(begin["data_shards"])
    shards = data + int(begin["parity_shards"])
    request_id = bytes.fromhex(begin["request_id"])
    stripes = {}
    sums = [0] * shards
    whole = True
    while True:
        kind, shard, stripe, payload, good = frame(stream, request_id)
        if kind == 3:
            break
        if kind == 4:
            need(shard == 255 and stripe == 0 and good and not stripes,
                 "headers that do not belong there")
            continue
        need(kind == 2, "an unknown frame")
        whole = whole and good
        if good:
            stripes.setdefault(stripe, {})[shard] = payload
            sums[shard] = crc("xz", payload, sums[shard])
    need(shard == 255 and good and len(payload) == 992, "no END")
    end = text(payload)
    need(len(stripes) == int(end["stripes"]) == stripe, "stripes")
    contents = b""
    for i in range(len(stripes)):
        cells = rebuild(stripes[i], data)
        for j, cell in stripes[i].items():
            need(cell == combine(row(j, data), cells), "bad parity")
        contents += b"".join(cells)
    size = int(end["size"])
    need(not any(contents[size:]), "padding")
    contents = contents[:size]
    need(len(contents) == size, "size")
    need(crc("nvme", contents) == int(end["crc64nvme"], 16), "crc64nvme")
    if whole and all(len(s) == shards for s in stripes.values()):
        told = [int(x, 16) for x in end["shard_crc64"].split(",")]
        need(sums == told, "shard_crc64")
    out.write(contents)


main(sys.stdin.buffer, sys.stdout.buffer)
