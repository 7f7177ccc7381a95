"""The work of `sealwire bench compute` by SEAL, through PyPI's `tenseal`, on one thread.

Reads from stdin, as JSON, the parameter sets; prints, as JSON, how long each piece of work takes: the
least of some samples, in microseconds of processor time. Parameters, batches and circuits are the same.
SEAL keeps its last modulus for switching keys, so that it has one more of 60 bits beside those of the set.
Its ciphertexts are in memory before it is timed: reading them isn't part of its work, as it is of ours.
"""

import json
import sys
import time
from importlib.metadata import version

import tenseal.sealapi as seal

SAMPLES, SAMPLE_S, LONGEST_S = 3, 0.1, 4.0


def timed(work):
    best, started = float("inf"), time.monotonic()
    for sample in range(50):
        runs, before, begun = 0, time.process_time(), time.monotonic()
        while runs == 0 or time.monotonic() - begun < SAMPLE_S:
            work()
            runs += 1
        best = min(best, (time.process_time() - before) / runs)
        spent = time.monotonic() - started
        if sample + 1 >= SAMPLES and spent > 1.0 or spent > LONGEST_S:
            break
    return best * 1e6


class Scheme:
    def __init__(self, numbers):
        self.n, self.t = numbers["n"], numbers["t"]
        special = [m.value() for m in seal.CoeffModulus.Create(self.n, [60])]
        moduli = numbers["moduli"] + special
        parameters = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
        parameters.set_poly_modulus_degree(self.n)
        parameters.set_coeff_modulus([seal.Modulus(m) for m in moduli])
        parameters.set_plain_modulus(seal.Modulus(self.t))
        context = seal.SEALContext(parameters, True, seal.SEC_LEVEL_TYPE.NONE)
        keys = seal.KeyGenerator(context)
        public, self.relinearisation, secret = seal.PublicKey(), seal.RelinKeys(), keys.secret_key()
        keys.create_public_key(public)
        if numbers["multiplies"]:
            keys.create_relin_keys(self.relinearisation)
        self.encryptor, self.decryptor = seal.Encryptor(context, public), seal.Decryptor(context, secret)
        self.evaluator, self.encoder = seal.Evaluator(context), seal.BatchEncoder(context)

    def encrypt(self, values):
        plain, ciphertext = seal.Plaintext(), seal.Ciphertext()
        self.encoder.encode(values, plain)
        self.encryptor.encrypt(plain, ciphertext)
        return ciphertext

    def open(self, ciphertext):
        plain = seal.Plaintext()
        self.decryptor.decrypt(ciphertext, plain)
        return self.encoder.decode_uint64(plain)

    def sum(self, ciphertexts, times=1):
        total, added = ciphertexts[0], ciphertexts * times
        if len(added) > 1:
            total = seal.Ciphertext()
            self.evaluator.add(added[0], added[1], total)
        for ciphertext in added[2:]:
            self.evaluator.add_inplace(total, ciphertext)
        return total

    def multiply(self, left, right):
        product = seal.Ciphertext()
        self.evaluator.multiply(left, right, product)
        self.evaluator.relinearize_inplace(product, self.relinearisation)
        return product

    def variance(self, ciphertexts):
        squares, total = seal.Ciphertext(), self.sum(ciphertexts)
        self.evaluator.square(ciphertexts[0], squares)
        for ciphertext in ciphertexts[1:]:
            square = seal.Ciphertext()
            self.evaluator.square(ciphertext, square)
            self.evaluator.add_inplace(squares, square)
        self.evaluator.relinearize_inplace(squares, self.relinearisation)
        return total, squares

    def one_minus(self, bit):
        result, one = seal.Ciphertext(), seal.Plaintext()
        self.encoder.encode([1] * self.n, one)
        self.evaluator.negate(bit, result)
        self.evaluator.add_plain_inplace(result, one)
        return result

    def compare(self, bits, threshold, wants_eq):
        """Greater and equal of bits, the lowest first; no ciphertext where it is zero for certain."""
        if len(bits) == 1:
            if threshold & 1:
                return None, bits[0]
            return bits[0], self.one_minus(bits[0])
        middle = len(bits) // 2
        low, low_eq = self.compare(bits[:middle], threshold & ((1 << middle) - 1), wants_eq)
        high, high_eq = self.compare(bits[middle:], threshold >> middle, True)
        both = None if low is None else self.multiply(high_eq, low)
        greater = both
        if high is not None and both is not None:
            greater = seal.Ciphertext()
            self.evaluator.add(high, both, greater)
        elif high is not None:
            greater = high
        return greater, self.multiply(high_eq, low_eq) if wants_eq else None


def value(i, low, high):
    return low + i * 7_919 % (high - low + 1)


def additive(numbers, low, high, found):
    scheme = Scheme(numbers)
    n, t = scheme.n, scheme.t
    batch = [value(i, low, high) % t for i in range(n)]
    packed = [[value(i, low, high) % t if i < 100_000 else 0 for i in range(start, start + n)]
              for start in range(0, 100_000, n)]
    packed = [scheme.encrypt(values) for values in packed]
    assert sum((x + t // 2) % t - t // 2 for x in scheme.open(scheme.sum(packed))) == sum(
        value(i, low, high) for i in range(100_000))
    many = [scheme.encrypt(batch) for _ in range(250)]
    total = scheme.sum(packed)
    found["encrypt", n] = timed(lambda: scheme.encrypt(batch))
    for adds in (1_000, 100_000):
        found["add", adds] = timed(lambda: scheme.sum(many, adds // len(many)))
    found["sum, packed", 100_000] = timed(lambda: scheme.sum(packed))
    found["open", 1] = timed(lambda: scheme.open(total))


def multiplying(numbers, low, high, found):
    scheme = Scheme(numbers)
    n, t = scheme.n, scheme.t
    batch = [value(i, low, high) % t for i in range(n)]
    one = scheme.encrypt(batch)
    eight = [[value(i, low, high) % t for i in range(start, start + 4_096)] for start in range(0, 8 * 4_096, 4_096)]
    eight = [scheme.encrypt(values + [0] * (n - 4_096)) for values in eight]
    _, squares = scheme.variance(eight)
    assert sum(scheme.open(squares)) == sum(value(i, low, high) ** 2 for i in range(8 * 4_096))
    found["encrypt", n] = timed(lambda: scheme.encrypt(batch))
    found["multiply", 1] = timed(lambda: scheme.multiply(one, one))
    found["variance", 8 * 4_096] = timed(lambda: scheme.variance(eight))
    found["variance", n] = timed(lambda: scheme.variance([one]))
    found["open", 2] = timed(lambda: [scheme.open(x) for x in (one, squares)])


def comparing(numbers, low, high, found):
    scheme = Scheme(numbers)
    n, threshold = scheme.n, asked["threshold"]
    above = [value(i, low, high) - low for i in range(n)]
    bits = [[x >> bit & 1 for x in above] for bit in range((high - low).bit_length())]
    encrypted = [scheme.encrypt(values) for values in bits]
    count = lambda: scheme.compare(encrypted, threshold - low, False)[0]
    result = count()
    assert sum(scheme.open(result)) == sum(x > threshold - low for x in above)
    found["encrypt", n] = timed(lambda: [scheme.encrypt(values) for values in bits])
    found["count over a threshold", n] = timed(count)
    found["open", 1] = timed(lambda: scheme.open(result))


asked = json.load(sys.stdin)
times = []
for name, work in [("bfv-add-v1", additive), ("bfv-mul-v1", multiplying), ("bfv-bits-v1", comparing)]:
    found = {}
    work(asked["sets"][name], asked["min"], asked["max"], found)
    times += [{"set": name, "what": what, "count": count, "us": us} for (what, count), us in found.items()]
print(json.dumps({"version": version("tenseal"), "times": times}))
