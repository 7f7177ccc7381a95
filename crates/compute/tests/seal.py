"""BFV by SEAL, through PyPI's `tenseal`, under the parameters of this crate.

Reads from stdin, as JSON, a list of parameter sets with values to compute on. For each it has SEAL say
whether the parameters have 128 bits of security, makes keys, encrypts two lists of values, adds and
multiplies, and prints the noise budgets that SEAL measures together with the secret key and the
ciphertexts in this crate's encodings.
"""

import json
import sys

import tenseal.sealapi as seal


def context(numbers, moduli, level):
    parameters = seal.EncryptionParameters(seal.SCHEME_TYPE.BFV)
    parameters.set_poly_modulus_degree(numbers["n"])
    parameters.set_coeff_modulus([seal.Modulus(m) for m in moduli])
    parameters.set_plain_modulus(seal.Modulus(numbers["t"]))
    return seal.SEALContext(parameters, True, level)


def smallest_root(n, p):
    """The smallest primitive 2n-th root of unity modulo p: the one that SEAL takes."""
    root = next(r for g in range(2, 1000) if pow(r := pow(g, (p - 1) // (2 * n), p), n, p) == p - 1)
    square, power, least = root * root % p, root, root
    for _ in range(n):
        power = power * square % p
        least = min(least, power)
    return least


def coefficients(values, n, p):
    """From values in the order of SEAL's transform (bit-reversed) to coefficients."""
    bits = n.bit_length() - 1
    reverse = [int(format(i, f"0{bits}b")[::-1], 2) for i in range(n)]
    inverse = pow(smallest_root(n, p), -1, p)
    powers = [1] * n
    for i in range(1, n):
        powers[i] = powers[i - 1] * inverse % p
    a, half, groups = list(values), 1, n // 2
    while half < n:
        for group in range(groups):
            root = powers[reverse[groups + group]]
            for j in range(2 * half * group, 2 * half * group + half):
                x, y = a[j], a[j + half]
                a[j], a[j + half] = (x + y) % p, (x - y) * root % p
        half, groups = 2 * half, groups // 2
    scale = pow(n, -1, p)
    return [x * scale % p for x in a]


def secret_bytes(key, numbers):
    n, p = numbers["n"], numbers["moduli"][0]
    data = key.data()
    small = coefficients([data[i] for i in range(n)], n, p)
    codes = {0: 0, 1: 1, p - 1: 2}
    packed = bytearray(n // 4)
    for i, value in enumerate(small):
        packed[i // 4] |= codes[value] << (2 * (i % 4))
    return bytes(packed)


def pack(rows, numbers):
    bits, out = numbers["modulus_bits"], b""
    for start in range(0, len(rows), numbers["n"]):
        row = rows[start : start + numbers["n"]]
        held = "".join(format(x, f"0{bits}b") for x in reversed(row))
        out += int(held, 2).to_bytes(numbers["n"] * bits // 8, "little")
    return out


def polynomials(ciphertext, numbers):
    assert ciphertext.size() == 2 and not ciphertext.is_ntt_form()
    length = numbers["n"] * len(numbers["moduli"])
    rows = [ciphertext[i] for i in range(2 * length)]
    return rows[:length], rows[length:]


def measure(numbers):
    n, t, moduli = numbers["n"], numbers["t"], numbers["moduli"]
    secure = context(numbers, moduli, seal.SEC_LEVEL_TYPE.TC128).parameters_set()
    # SEAL keeps its last modulus for switching keys; this one is beside ours.
    special = [m.value() for m in seal.CoeffModulus.Create(n, [60])]
    scheme = context(numbers, moduli + special, seal.SEC_LEVEL_TYPE.NONE)
    keys = seal.KeyGenerator(scheme)
    public, relinearisation, secret = seal.PublicKey(), seal.RelinKeys(), keys.secret_key()
    keys.create_public_key(public)
    keys.create_relin_keys(relinearisation)
    encryptor, decryptor = seal.Encryptor(scheme, public), seal.Decryptor(scheme, secret)
    evaluator, encoder = seal.Evaluator(scheme), seal.BatchEncoder(scheme)

    def encrypt(values):
        plain, ciphertext = seal.Plaintext(), seal.Ciphertext()
        encoder.encode([value % t for value in values], plain)
        encryptor.encrypt(plain, ciphertext)
        return ciphertext

    left, right = encrypt(numbers["left"]), encrypt(numbers["right"])
    results = {"fresh": left, "sum": seal.Ciphertext(), "product": None}
    evaluator.add(left, right, results["sum"])
    if numbers["multiplies"]:
        results["product"] = seal.Ciphertext()
        evaluator.multiply(left, right, results["product"])
        evaluator.relinearize_inplace(results["product"], relinearisation)
    found = {"secure": secure, "secret": secret_bytes(secret, numbers).hex()}
    for name, ciphertext in results.items():
        if ciphertext is not None:
            c0, c1 = polynomials(ciphertext, numbers)
            found[name] = {
                "budget": decryptor.invariant_noise_budget(ciphertext),
                "constants": c0[::n],
                "c0": pack(c0, numbers).hex(),
                "c1": pack(c1, numbers).hex(),
            }
    return found


print(json.dumps([measure(numbers) for numbers in json.load(sys.stdin)]))
