"""A second implementation of docs/protocol.md, written from that page alone.

It makes every login, message, reading, transaction, manifest and vote of `vectors/` anew from its inputs and
compares the bytes. SM3 comes from OpenSSL through `hashlib`; SM2, SM4 and GCM are written out here,
slowly and without any care for side channels: never use them for anything but this check.
"""

import base64
import hashlib
import hmac
import json
import pathlib

VECTORS = pathlib.Path(__file__).parent.parent / "vectors"


def load(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def sm3(*parts):
    return hashlib.new("sm3", b"".join(parts)).digest()


# --- SM2 (GB/T 32918.2, .4 and .5) ----------------------------------------------------------------

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G = (
    0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
    0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0,
)
SIGNER_ID = b"1234567812345678"


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


def times(scalar, point):
    result = None
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def b32(number):
    return number.to_bytes(32, "big")


def nonces(secret, h1):
    """RFC 6979 §3.2 with HMAC-SM3."""
    mac = lambda key, data: hmac.new(key, data, "sm3").digest()
    v, k = b"\x01" * 32, bytes(32)
    for separator in (b"\x00", b"\x01"):
        k = mac(k, v + separator + b32(secret) + h1)
        v = mac(k, v)
    while True:
        v = mac(k, v)
        if 0 < int.from_bytes(v, "big") < N:
            yield int.from_bytes(v, "big")
        k = mac(k, v + b"\x00")
        v = mac(k, v)


def sign(secret_hex, domain, message):
    d = int(secret_hex, 16)
    x, y = times(d, G)
    bits = (8 * len(SIGNER_ID)).to_bytes(2, "big")
    z = sm3(bits, SIGNER_ID, *map(b32, (A, B, *G, x, y)))
    e = int.from_bytes(sm3(z, domain.encode(), b"\x00", message), "big") % N
    k = next(nonces(d, b32(e)))
    r = (e + times(k, G)[0]) % N
    s = pow(1 + d, -1, N) * (k - r * d) % N
    return b32(r) + b32(s)


def compressed(secret_hex):
    x, y = times(int(secret_hex, 16), G)
    return bytes([2 + (y & 1)]) + b32(x)


def unseal(secret_hex, sealed):
    """C1 || C3 || C2, for plaintexts of at most 32 bytes."""
    c1, c3, c2 = sealed[:65], sealed[65:97], sealed[97:]
    point = int.from_bytes(c1[1:33], "big"), int.from_bytes(c1[33:], "big")
    x, y = times(int(secret_hex, 16), point)
    mask = sm3(b32(x), b32(y), b"\x00\x00\x00\x01")
    plain = bytes(c ^ m for c, m in zip(c2, mask))
    assert sm3(b32(x), plain, b32(y)) == c3
    return plain


# --- SM4-GCM (GB/T 32907, RFC 8998 §2, NIST SP 800-38D) -------------------------------------------

SBOX = bytes.fromhex(
    "d690e9fecce13db716b614c228fb2c052b679a762abe04c3aa441326498606999c4250f491ef987a33540b43edcfac62"
    "e4b31ca9c908e89580df94fa758f3fa64707a7fcf37317ba83593c19e6854fa8686b81b27164da8bf8eb0f4b70569d35"
    "1e240e5e6358d1a225227c3b01217887d40046579fd327524c3602e7a0c4c89eeabf8ad240c738b5a3f7f2cef96115a1"
    "e0ae5da49b341a55ad933230f58cb1e31df6e22e8266ca60c02923ab0d534e6fd5db3745defd8e2f03ff6a726d6c5b51"
    "8d1baf92bbddbc7f11d95c411f105ad80ac13188a5cd7bbd2d74d012b8e5b4b08969974a0c96777e65b9f109c56ec684"
    "18f07dec3adc4d2079ee5f3ed7cb3948"
)
FK = (0xA3B1BAC6, 0x56AA3350, 0x677D9197, 0xB27022DC)


def rotate(word, bits):
    return (word << bits | word >> 32 - bits) & 0xFFFFFFFF


def substitute(word):
    return int.from_bytes(bytes(SBOX[b] for b in word.to_bytes(4, "big")), "big")


def words(block):
    return [int.from_bytes(block[i : i + 4], "big") for i in range(0, 16, 4)]


def round_keys(key):
    state, keys = [k ^ f for k, f in zip(words(key), FK)], []
    for i in range(32):
        ck = int.from_bytes(bytes((4 * i + j) * 7 & 255 for j in range(4)), "big")
        t = substitute(state[1] ^ state[2] ^ state[3] ^ ck)
        keys.append(state[0] ^ t ^ rotate(t, 13) ^ rotate(t, 23))
        state = [*state[1:], keys[-1]]
    return keys


def sm4(keys, block):
    x = words(block)
    for key in keys:
        t = substitute(x[1] ^ x[2] ^ x[3] ^ key)
        x = [*x[1:], x[0] ^ t ^ rotate(t, 2) ^ rotate(t, 10) ^ rotate(t, 18) ^ rotate(t, 24)]
    return b"".join(word.to_bytes(4, "big") for word in reversed(x))


def gf_multiply(x, y):
    z = 0
    for i in range(127, -1, -1):
        if x >> i & 1:
            z ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return z


def sm4_gcm(key, nonce, aad, plaintext):
    keys = round_keys(key)
    stream = lambda counter: sm4(keys, nonce + counter.to_bytes(4, "big"))
    xor = lambda left, right: bytes(a ^ b for a, b in zip(left, right))
    chunks = [plaintext[i : i + 16] for i in range(0, len(plaintext), 16)]
    ciphertext = b"".join(xor(chunk, stream(i + 2)) for i, chunk in enumerate(chunks))
    pad = lambda data: data + bytes(-len(data) % 16)
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(ciphertext)).to_bytes(8, "big")
    data, h, y = pad(aad) + pad(ciphertext) + lengths, sm4(keys, bytes(16)), 0
    for i in range(0, len(data), 16):
        block = int.from_bytes(data[i : i + 16], "big")
        y = gf_multiply(y ^ block, int.from_bytes(h, "big"))
    return ciphertext + xor(y.to_bytes(16, "big"), stream(1))


# --- deterministic CBOR (RFC 8949 §4.2.1) ---------------------------------------------------------


def head(major, argument):
    if argument < 24:
        return bytes([major << 5 | argument])
    for code, length in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * length:
            return bytes([major << 5 | code]) + argument.to_bytes(length, "big")
    raise ValueError(argument)


def cbor(value):
    match value:
        case None:
            return b"\xf6"
        case bool():
            return b"\xf5" if value else b"\xf4"
        case int():
            return head(0, value) if value >= 0 else head(1, -1 - value)
        case bytes():
            return head(2, len(value)) + value
        case str():
            return head(3, len(value.encode())) + value.encode()
        case dict():
            return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())
        case list():
            return head(4, len(value)) + b"".join(map(cbor, value))


# --- the protocol ---------------------------------------------------------------------------------

h = bytes.fromhex
NOW_MS = 1_795_435_200_000
NOW_S = NOW_MS // 1000
DEVICE, READER, GATEWAY = "07" * 32, "08" * 32, "02" * 32


def nonce(name, length):
    """The vectors' own rule for their nonces."""
    return sm3(b"nonce", name.encode())[:length]


def base64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


genesis = load("genesis")
people = {name: sm3(h(genesis[name]["der"])) for name in ("device", "reader", "gateway")}


def check_genesis():
    text = genesis["genesis"]["json"]
    orgs = [
        [org["org"], h(org["root_cert_der"]), h(org["validator"]), [h(c) for c in org["certificates"]]]
        for org in text["orgs"]
    ]
    value = [1, text["name"], text["created_ms"], text["block_interval_ms"], orgs]
    chain = sm3(b"sealwire genesis", cbor(value))
    assert chain.hex() == genesis["genesis"]["chain"]
    validators = sorted(org[2] for org in orgs)
    assert sm3(b"sealwire validators", cbor(validators)).hex() == genesis["genesis"]["validators"]
    for name, identity in people.items():
        assert identity.hex() == genesis[name]["id"]
        assert compressed(genesis[name]["secret_key"]).hex() == genesis[name]["public_key"]
    return chain, validators


chain, validators = check_genesis()


def check_login():
    vector = load("login")["enhanced"]
    client_nonce, gateway_nonce = nonce("client nonce", 32), nonce("gateway nonce", 32)
    assert cbor([1, people["device"], client_nonce]).hex() == vector["hello"]
    transcript = cbor(
        [chain, "acme.press-7", people["device"], client_nonce]
        + [people["gateway"], gateway_nonce, NOW_MS]
    )
    assert transcript.hex() == vector["transcript"]
    signature = sign(GATEWAY, "sealwire-login-gateway-v1", transcript)
    challenge = cbor([people["gateway"], gateway_nonce, NOW_MS, signature])
    assert challenge.hex() == vector["challenge"]
    answer = cbor([sign(DEVICE, "sealwire-login-client-v1", transcript)])
    assert answer.hex() == vector["answer"]


def check_token_and_request():
    vectors = load("login")
    body = [1, chain, "acme.press-7", people["device"], "acme.gateway", NOW_S, NOW_S + 120]
    body.append(nonce("token", 16))
    token = [body, sign(DEVICE, "sealwire-token-v1", cbor(body))]
    assert base64url(cbor(token)) == vectors["token"]["password"]
    body = [1, chain, "beta.reader", people["reader"], "GET", vectors["request"]["target"]]
    body += [sm3(b""), NOW_S, nonce("request", 16)]
    request = [body, sign(READER, "sealwire-request-v1", cbor(body))]
    assert "SM2 " + base64url(cbor(request)) == vectors["request"]["header"]


def check_console():
    vector = load("login")["console"]
    sign_in = cbor([1, chain, vector["origin"], people["reader"], nonce("console", 32)])
    assert sign_in.hex() == vector["sign_in"]
    assert sign(READER, "sealwire-console-v1", sign_in).hex() == vector["signature"]


def check_messages():
    for name, vector in load("message").items():
        topic, sender, sequence = vector["topic"], vector["sender"], vector["sequence"]
        content = h(vector["content"])
        inner = cbor({1: -65603, 3: vector["content_type"]})
        aad = cbor([topic, sender, 0, sequence])
        to_sign = cbor(["Signature1", inner, aad, content])
        signature = sign(DEVICE, "sealwire-message-v1", to_sign)
        plaintext = cbor([inner, {}, content, signature])
        outer = cbor({1: -65604, 4: bytes(4), -70001: sender, -70002: sequence})
        iv = sm3(b"sealwire nonce", sender.encode())[:6] + sequence.to_bytes(6, "big")
        aad = cbor(["Encrypt0", outer, cbor(topic)])
        payload = cbor([outer, {}, sm4_gcm(h(vector["topic_key"]), iv, aad, plaintext)])
        assert payload.hex() == vector["payload"], name


def check_transactions():
    vectors = load("transaction")
    for name, vector in vectors.items():
        body = h(vector["body"])
        signature = sign(vector["secret_key"], "sealwire-transaction-v1", body)
        assert signature.hex() == vector["signature"], name
        assert b"\x82" + body + cbor(signature) == h(vector["transaction"]), name
        assert sm3(body).hex() == vector["id"], name

    def body(name, call):
        return cbor([chain, people["device"], 1_000, nonce(name, 16), call]).hex()

    call = lambda name: vectors[name]["json"]["body"]["call"]
    topic = "acme/press-7/temperature"
    sealed = h(call("register-topic")["sealed_key"])
    assert unseal(DEVICE, sealed) == bytes(range(16))
    made = body("register-topic", [2, [[topic, 0, sealed]]])
    assert made == vectors["register-topic"]["body"]
    made = body("register-topic-open", [2, [[topic, 1]]])
    assert made == vectors["register-topic-open"]["body"]
    terms = [NOW_S + 86_400, NOW_S - 60, NOW_S + 60, "maintenance", 0]
    sealed = h(call("grant-topic")["sealed_key"])
    made = body("grant-topic", [3, [[topic, "beta.reader", 6, *terms, sealed]]])
    assert made == vectors["grant-topic"]["body"]
    terms = [None, None, None, "maintenance", 0]
    made = body("grant-topic-least", [3, [[topic, "beta.reader", 6, *terms]]])
    assert made == vectors["grant-topic-least"]["body"]
    sealed = h(call("revoke-grant")["rotation"]["keys"][0]["sealed"])
    rotation = [1, [["acme.press-7", sealed]]]
    made = body("revoke-grant", [4, [[topic, "beta.reader", rotation]]])
    assert made == vectors["revoke-grant"]["body"]
    made = body("revoke-grant-open", [4, [[topic, "beta.reader"]]])
    assert made == vectors["revoke-grant-open"]["body"]


def check_compute():
    vectors, transactions = load("compute"), load("transaction")
    topic, owner, reader = "acme/press-7/temperature", "acme.press-7", "beta.reader"
    point = lambda byte: compressed(byte * 32)
    public = sm3(point("31"))
    readings = [2, -4000, 12500, [0, 10000], "\u00b0C"]
    sharing = [2, [[owner, point("32")], [reader, point("33")]]]
    bfv = [sm3(b"a public key of BFV"), sm3(b"an evaluation key of BFV")]
    keys = {
        "key": [1, owner, 1, readings, public],
        "key-shared": [1, owner, 1, readings, public, None, sharing],
        "key-bfv": [1, owner, 3, readings, *bfv],
    }
    ids = {name: sm3(b"sealwire compute key", cbor(key)) for name, key in keys.items()}
    for name, key in keys.items():
        assert cbor(key).hex() == vectors[name]["cbor"], name
        assert ids[name].hex() == vectors[name]["id"], name

    ciphertext = point("34") + point("35")
    reading = [1, topic, owner, 77, ids["key"], 1, 76, 1, 2, 1, [ciphertext]]
    signature = sign(DEVICE, "sealwire-reading-v1", cbor(reading))
    assert cbor([reading, signature]).hex() == vectors["reading"]["payload"]

    weights, inputs = [[-150], 2, 5], [[topic, NOW_MS - 3_600_000, NOW_MS]]
    functions = {"sum": [0, []], "mean": [1, []], "weighted-sum": [2, [weights]]}
    functions |= {"linear": [3, [weights]], "variance": [4, []], "deviation": [5, []]}
    functions |= {"dot": [6, []], "count-over": [7, [[8000]]], "histogram": [8, []]}
    functions |= {"range": [9, []]}
    jobs = {name: [1, ids["key"], function, inputs] for name, function in functions.items()}
    assert {name: cbor(job).hex() for name, job in jobs.items()} == vectors["jobs"]

    result = sm3(b"sealwire result", cbor([ciphertext]))
    found = [[3, sm3(b"packages"), 2999]]
    evaluation = [1, 1, jobs["mean"], 41, found, reader, sm3(b"request")]
    evaluation += ["acme.gateway", result, NOW_MS]
    assert cbor(evaluation).hex() == vectors["evaluation"]["cbor"]
    evaluation_id = sm3(b"sealwire evaluation", cbor(evaluation))
    assert evaluation_id.hex() == vectors["evaluation"]["id"]
    computed = cbor([evaluation, [ciphertext]])
    assert computed.hex() == vectors["computed"]["cbor"]
    part = [point("36"), sm3(b"challenge"), sm3(b"response")]
    share = cbor([1, evaluation_id, 2, [part]])
    assert share.hex() == vectors["opening-share"]["cbor"]

    calls = {
        "register-compute-key": [26, [[keys["key-shared"], point("31")]]],
        "register-compute-key-bfv": [26, [[keys["key-bfv"]]]],
        "retire-compute-key": [27, [[ids["key-shared"], "another scale"]]],
        "log-evaluations": [28, [[[evaluation]]]],
    }
    for name, call in calls.items():
        sender = people["gateway" if name == "log-evaluations" else "device"]
        made = cbor([chain, sender, 1_000, nonce(name, 16), call])
        assert made.hex() == transactions[name]["body"], name


def check_package():
    vectors = load("record")
    record = vectors["record"]["json"]
    fields = [record[name] for name in ("topic", "sender", "received_ms", "qos")]
    leaf = sm3(b"\x00", cbor([1, *fields, h(record["payload"])]))
    assert leaf.hex() == vectors["record"]["leaf"]
    left, right = map(h, vectors["package"]["leaves"])
    manifest = vectors["package"]["manifest_json"]
    assert left == leaf and sm3(b"\x01", left, right).hex() == manifest["root"]
    names = ("gateway", "topic", "first", "count", "from_ms", "to_ms")
    made = cbor([1, *(manifest[name] for name in names), h(manifest["root"])])
    assert made.hex() == vectors["package"]["manifest"]
    assert sm3(b"sealwire package", made).hex() == vectors["package"]["id"]


def check_finality():
    vectors = load("block")
    digest = sm3(b"sealwire header", h(vectors["header"]["cbor"]))
    assert digest.hex() == vectors["header"]["digest"]

    def varint(number):
        low = bytes([number & 127 | (128 if number > 127 else 0)])
        return low + varint(number >> 7) if number > 127 else low

    namespace = b"sealwire vote " + chain + b"_FINALIZE"
    numbers = b"".join(map(varint, (0, 300, 298)))
    vote = varint(len(namespace)) + namespace + numbers + digest
    assert vote.hex() == vectors["finality"]["vote"]
    secrets = {compressed(byte * 32): byte * 32 for byte in ("21", "22", "23", "24")}
    signers = [secrets[validators[place]] for place in (0, 1, 3)]
    signatures = [sign(secret, "sealwire-vote-v1", vote) for secret in signers]
    made = cbor([0, 300, 298, digest, bytes([0b1011]), signatures])
    assert made.hex() == vectors["finality"]["cbor"]


check_login()
check_console()
check_token_and_request()
check_messages()
check_transactions()
check_compute()
check_package()
check_finality()
print("the second implementation agrees")
