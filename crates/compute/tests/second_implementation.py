"""A second implementation of ElGamal on the SM2 curve and of shared keys, from the module docs of
`elgamal` and `threshold`.

    second_implementation.py check   checks everything in vectors/elgamal.json and vectors/sharing.json
    second_implementation.py make    prints keys, ciphertexts, sums and opening shares of its own

SM3 comes from OpenSSL through `hashlib`. Slow, and without any care for side channels: never use it
for anything but this check.
"""

import hashlib
import json
import pathlib
import sys

VECTORS = pathlib.Path(__file__).parent.parent / "vectors"

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)


def sm3(*parts):
    return hashlib.new("sm3", b"".join(parts)).digest()


def add(p, q):
    if p is None or q is None:
        return p or q
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        slope = (3 * p[0] ** 2 + A) * pow(2 * p[1], -1, P) % P
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P) % P
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def negate(p):
    return p and (p[0], P - p[1])


def times(scalar, point):
    result, scalar = None, scalar % N
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def total(points):
    result = None
    for point in points:
        result = add(result, point)
    return result


def to_bytes(point):
    if point is None:
        return bytes(33)
    return bytes([2 + point[1] % 2]) + point[0].to_bytes(32, "big")


def from_bytes(data):
    assert len(data) == 33
    if data == bytes(33):
        return None
    x = int.from_bytes(data[1:], "big")
    assert data[0] in (2, 3) and x < P
    y = pow(x**3 + A * x + B, (P + 1) // 4, P)
    assert (y * y - x**3 - A * x - B) % P == 0, "not on the curve"
    return x, y if y % 2 == data[0] % 2 else P - y


def number(data):
    return int.from_bytes(data, "big")


def b32(value):
    return value.to_bytes(32, "big")


# --- ElGamal --------------------------------------------------------------------------------------


def encrypt(public, value, r):
    return times(r, G), add(times(r, public), times(value, G))


def read(data):
    return from_bytes(data[:33]), from_bytes(data[33:])


def write(ciphertext):
    return to_bytes(ciphertext[0]) + to_bytes(ciphertext[1])


def logarithm(point, limit=4_000_000):
    """The m of m G with |m| <= limit: small steps up to a thousand, then great ones."""
    step = 2000
    table, at = {}, None
    for j in range(step):
        table[at] = j
        at = add(at, G)
    for sign in (1, -1):
        at = point if sign == 1 else negate(point)
        back = negate(times(step, G))
        for i in range(limit // step + 1):
            if at in table:
                return sign * (i * step + table[at])
            at = add(at, back)
    raise AssertionError("no small logarithm")


def decrypt(d, ciphertext):
    return logarithm(add(ciphertext[1], negate(times(d, ciphertext[0]))))


# --- shared keys ----------------------------------------------------------------------------------


def challenge(evaluation, holder, index, own, ciphertext, point, r1, r2):
    return sm3(
        b"sealwire opening share",
        evaluation,
        holder.to_bytes(2, "big"),
        index.to_bytes(4, "big"),
        to_bytes(own),
        write(ciphertext),
        to_bytes(point),
        to_bytes(r1),
        to_bytes(r2),
    )


def open_share(evaluation, holder, index, secret, ciphertext, k):
    point = times(secret, ciphertext[0])
    own, r1, r2 = times(secret, G), times(k, G), times(k, ciphertext[0])
    e = challenge(evaluation, holder, index, own, ciphertext, point, r1, r2)
    return point, e, (k + number(e) * secret) % N


def check_share(evaluation, holder, index, own, ciphertext, share):
    point, e, response = share
    minus = N - number(e) % N
    r1 = add(times(response, G), times(minus, own))
    r2 = add(times(response, ciphertext[0]), times(minus, point))
    assert challenge(evaluation, holder, index, own, ciphertext, point, r1, r2) == e


def at_zero(holders, i):
    above = below = 1
    for j in holders:
        if j != i:
            above, below = above * j % N, below * (j - i) % N
    return above * pow(below, -1, N) % N


# --- the two directions ---------------------------------------------------------------------------


def load(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def check_elgamal():
    vector = load("elgamal")
    d, public = number(bytes.fromhex(vector["secret"])), bytes.fromhex(vector["public"])
    assert to_bytes(times(d, G)) == public
    assert sm3(public).hex() == vector["public_sm3"]
    ciphertexts = [bytes.fromhex(text) for text in vector["ciphertexts"]]
    # Each reading and its square.
    values = [decrypt(d, read(data)) for data in ciphertexts]
    assert values == [x for value in vector["readings"] for x in (value, value * value)]
    for item, result in enumerate(vector["results"]):
        parts = [read(data) for data in ciphertexts[item::2]]
        expected = total(c for c, _ in parts), total(c for _, c in parts)
        assert write(expected) == bytes.fromhex(result)


def check_sharing():
    vector = load("sharing")
    public = from_bytes(bytes.fromhex(vector["public"]))
    dealings = vector["dealings"]
    commitments = [[from_bytes(bytes.fromhex(c)) for c in dealing["commitments"]] for dealing in dealings]
    for dealing, points in zip(dealings, commitments):
        e, response = bytes.fromhex(dealing["challenge"]), number(bytes.fromhex(dealing["response"]))
        r = add(times(response, G), times(N - number(e) % N, points[0]))
        dealer = dealing["dealer"].to_bytes(2, "big")
        ceremony = bytes.fromhex(vector["ceremony_digest"])
        parts = b"".join(to_bytes(point) for point in points)
        assert sm3(b"sealwire dealing", ceremony, dealer, parts, to_bytes(r)) == e
    assert total(points[0] for points in commitments) == public
    evaluation = bytes.fromhex(vector["evaluation_id"])
    (ciphertext,) = [read(bytes.fromhex(text)) for text in vector["result"]]
    points = {}
    for i, (holder, file) in enumerate(zip(vector["holders"], vector["share_files"]), start=1):
        own = from_bytes(bytes.fromhex(holder))
        assert own == total(times(i**k, c[k]) for c in commitments for k in range(vector["threshold"]))
        assert times(number(bytes.fromhex(file)[-32:]), G) == own
        share = vector["opening_shares"][i - 1]
        assert share["holder"] == i
        points[i] = from_bytes(bytes.fromhex(share["point"]))
        e, response = bytes.fromhex(share["challenge"]), number(bytes.fromhex(share["response"]))
        check_share(evaluation, i, 0, own, ciphertext, (points[i], e, response))
    for holders in ((1, 2), (2, 3), (3, 1)):
        shared = total(times(at_zero(holders, i), points[i]) for i in holders)
        assert logarithm(add(ciphertext[1], negate(shared))) == vector["sum"]


def make():
    d = number(sm3(b"another secret")) % N
    public = times(d, G)
    values = [0, 1, -1, 215, -40_000, 1_099_511_627_776, -1_099_511_627_776]
    drawn = [number(sm3(b"randomness", bytes([i]))) % N for i in range(len(values))]
    ciphertexts = [encrypt(public, value, r) for value, r in zip(values, drawn)]
    vector = load("sharing")
    evaluation = bytes.fromhex(vector["evaluation_id"])
    (result,) = [read(bytes.fromhex(text)) for text in vector["result"]]
    shares = []
    for i, file in enumerate(vector["share_files"], start=1):
        k = number(sm3(b"nonce", bytes([i]))) % N
        secret = number(bytes.fromhex(file)[-32:])
        point, e, response = open_share(evaluation, i, 0, secret, result, k)
        shares.append([to_bytes(point).hex(), e.hex(), b32(response).hex()])
    firsts, seconds = zip(*ciphertexts)
    made = {
        "secret": b32(d).hex(),
        "public": to_bytes(public).hex(),
        "values": values,
        "ciphertexts": [write(ciphertext).hex() for ciphertext in ciphertexts],
        "sum": write((total(firsts), total(seconds))).hex(),
        "times_minus_7": write(tuple(times(N - 7, point) for point in ciphertexts[3])).hex(),
        "infinity": write((None, None)).hex(),
        "shares": shares,
    }
    print(json.dumps(made))


if sys.argv[1:] == ["make"]:
    make()
else:
    check_elgamal()
    check_sharing()
