"""Computes CRC-64/XZ, the checksum that COS reports as x-cos-hash-crc64ecma.

Rule: a message is one big integer, folded in half until it is short, then finished byte by byte with a table.
That is ten times as fast as a table alone, because big shifts and XORs run in C.
Refusal: no streaming; callers bound the size (`Behaviours.crc64_max_bytes`).

How a fold works. Bytes go in with their low bit first, so bit i of the little-endian integer R of n bits is
the coefficient of x^(n-1-i). Cut off the first h bits as H; m = n - h bits remain. H stands for H(x)·x^m, and
modulo the generator x^m is a polynomial c(x) of degree below 64. So H(x)·c(x) may be added to the rest instead,
one shifted copy of H for each term of c; term x^j shifts by m - h - j. With h <= m - 64 all of it fits.
"""

from __future__ import annotations

from functools import lru_cache

_GENERATOR = (1 << 64) | 0x42F0E1EBA9EA3693
_ONES = (1 << 64) - 1
_SHORT_BITS = 512


def crc64(message: bytes) -> int:
    """CRC-64/XZ (ECMA-182 polynomial, reflected, all ones in and out); of b"123456789" 0x995DC9BBDF1939FA."""
    if len(message) * 8 <= _SHORT_BITS:
        return _finish(message, _ONES) ^ _ONES
    remainder = int.from_bytes(message, "little") ^ _ONES
    bits = len(message) * 8
    while bits > _SHORT_BITS:
        remainder, bits = _fold(remainder, bits)
    return _finish(remainder.to_bytes(bits // 8, "little"), 0) ^ _ONES


def _fold(message: int, bits: int) -> tuple[int, int]:
    # Lengths come down a fixed ladder of 2^k + 64 bits, so that only some twenty c(x) are ever needed.
    rung = (bits - 65).bit_length() - 1
    kept = (1 << rung) + 64
    cut = bits - kept
    head = message & ((1 << cut) - 1)
    message >>= cut
    for term in _terms(rung):
        message ^= head << (kept - cut - term)
    return message, kept


@lru_cache
def _terms(rung: int) -> tuple[int, ...]:
    """Name the exponents of x^(2^rung + 64) modulo the generator."""
    power = 2  # the polynomial x
    for _ in range(rung):
        power = _multiply(power, power)
    power = _multiply(power, _GENERATOR & _ONES)
    return tuple(term for term in range(64) if power >> term & 1)


def _multiply(left: int, right: int) -> int:
    product = 0
    while right:
        if right & 1:
            product ^= left
        right >>= 1
        left <<= 1
        if left >> 64:
            left ^= _GENERATOR
    return product


def _finish(message: bytes, state: int) -> int:
    for byte in message:
        state = _TABLE[(state ^ byte) & 255] ^ (state >> 8)
    return state


def _make_table() -> tuple[int, ...]:
    reflected = int(f"{_GENERATOR & _ONES:064b}"[::-1], 2)
    table = []
    for byte in range(256):
        state = byte
        for _ in range(8):
            state = (state >> 1) ^ (reflected if state & 1 else 0)
        table.append(state)
    return tuple(table)


_TABLE = _make_table()
