// @vitest-environment node
import { describe, expect, it, vi } from "vitest";

import { concat, fromHex, fromNumber, hex, utf8 } from "../crypto/bytes";
import { type CurvePoint, ORDER, Point } from "../crypto/curve";
import { encrypt } from "../crypto/pbes2";
import { toPem } from "../crypto/pem";
import { browserRandom } from "../crypto/sm2";
import { sm3 } from "../crypto/sm3";
import {
  type ComputeFunction,
  type ComputeKey,
  computedBytes,
  computeKeyId,
  type Evaluation,
  evaluationId,
  PARAMETER_SETS,
  type ParameterSet,
  readComputed,
  readComputeKey,
  readEvaluation,
  resultDigest,
} from "../envelope/compute";
import { Fixed, isPrimitive, Scheme } from "../testing/bfv";
import { flipped, vectors } from "../testing/vectors";
import { type Answer, answerText } from "./answer";
import { Ring } from "./bfv/ring";
import { decimal } from "./decimal";
import { smallLogarithm } from "./logarithm";
import { open } from "./open";
import { type Bfv, bfvOf, EVALUATOR } from "./parameters";
import {
  type ComputeSecret,
  readSecret,
  readSecretBytes,
  SECRET_LABEL,
  secretNeedsPassphrase,
} from "./secret";

// Whole sweeps, some of them over big numbers: long on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const elgamal = vectors("compute/vectors/elgamal.json");
const bfv = vectors("compute/vectors/bfv.json");
const sharing = vectors("compute/vectors/sharing.json");
const none = {};

/** An evaluation as the Rust tests make theirs. */
function evaluationOf(
  key: ComputeKey,
  job: ComputeFunction,
  readings: readonly bigint[],
  ciphertexts: readonly Uint8Array[],
): Evaluation {
  return {
    version: 1,
    evaluator: EVALUATOR,
    job: {
      version: 1,
      key: computeKeyId(key),
      function: job,
      inputs: readings.map((_, i) => ({ topic: `acme/line/${i}`, from_ms: 0n, to_ms: 1n })),
    },
    height: 7n,
    inputs: readings.map((count) => ({ packages: 1n, root: sm3(), readings: count })),
    requester: "analyst.acme",
    request: sm3(utf8("request")),
    gateway: "gateway.acme",
    result: resultDigest(ciphertexts),
    time_ms: 1n,
  };
}

/** The answer as JSON has it. */
function plain(answer: Answer): unknown {
  return JSON.parse(
    JSON.stringify(answer, (_, value) => (typeof value === "bigint" ? Number(value) : value)),
  );
}

/** What an opening refuses with. */
function code(openIt: () => unknown): string {
  try {
    openIt();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return "opened";
}

describe("formats", () => {
  it("read and write what Rust wrote", () => {
    const compute = vectors("envelope/vectors/compute.json");
    const key = readComputeKey(fromHex(compute.key.cbor));
    expect(hex(computeKeyId(key))).toBe(compute.key.id);
    expect(key.readings.unit).toBe("°C");
    const evaluation = readEvaluation(fromHex(compute.evaluation.cbor));
    expect(hex(evaluationId(evaluation))).toBe(compute.evaluation.id);
    const computed = readComputed(fromHex(compute.computed.cbor));
    expect(hex(computedBytes(computed))).toBe(compute.computed.cbor);
    expect(hex(resultDigest(computed.ciphertexts))).toBe(hex(computed.evaluation.result));
    const shared = readComputeKey(fromHex(sharing.compute_key));
    expect(shared.sharing?.threshold).toBe(2);
    expect(hex(evaluationId(readEvaluation(fromHex(sharing.evaluation))))).toBe(sharing.evaluation_id);
  });
});

describe("small logarithms", () => {
  const times = (m: bigint): [bigint, bigint] | null => {
    if (m === 0n) return null;
    const point = Point.BASE.multiply(m < 0n ? ORDER + m : m);
    return [point.x, point.y];
  };

  it("are found wherever they are in a range, and nowhere else", () => {
    for (const [low, high] of [
      [0n, 0n],
      [0n, 3n],
      [-5n, 70n],
      [-1000n, 1000n],
      [100_000n, 345_678n],
      [-80_000_000n, 3n],
    ] as const) {
      const middle = (low + high) / 2n;
      for (const m of new Set([
        low,
        high,
        middle,
        middle + 1n,
        low + 1n,
        high - 1n,
        low + (high - low) / 3n,
      ])) {
        const found = smallLogarithm(times(m), low, high);
        expect(found, `${m} in ${low}..${high}`).toBe(m < low || m > high ? null : m);
      }
      for (const m of [low - 1n, high + 1n, high + 12345n])
        expect(smallLogarithm(times(m), low, high)).toBeNull();
    }
    expect(smallLogarithm(times(5n), 6n, 4n)).toBeNull();
    // A point that is no small multiple of the generator's.
    const far = Point.BASE.multiply(ORDER / 3n);
    expect(smallLogarithm([far.x, far.y], -100_000n, 100_000n)).toBeNull();
  });
});

describe("the ElGamal vectors", () => {
  const key = readComputeKey(fromHex(elgamal.compute_key));
  const secret = readSecretBytes(fromHex(elgamal.secret_file));
  const results: Uint8Array[] = elgamal.results.map(fromHex);
  const variance: ComputeFunction = { kind: "variance", content: none };

  it("open to the pinned answer", () => {
    const evaluation = evaluationOf(key, variance, [4n], results);
    expect(hex(evaluationId(evaluation))).toBe(elgamal.evaluation_id);
    expect(hex(evaluation.result)).toBe(elgamal.result);
    const answer = open(secret, key, evaluation, results);
    expect(plain(answer)).toEqual(elgamal.answer);
    expect(answerText(answer)).toBe(elgamal.answer_text);
  });

  it("are refused under other keys, evaluations and ciphertexts, as Rust refuses them", {
    timeout: 300_000,
  }, () => {
    const good = evaluationOf(key, variance, [4n], results);
    const [sum, squares] = results as [Uint8Array, Uint8Array];
    const opening = (ciphertexts: Uint8Array[]) => () =>
      open(secret, key, evaluationOf(key, variance, [4n], ciphertexts), ciphertexts);
    expect(code(() => open(secret, key, good, [sum]))).toBe("open.digest");
    expect(code(() => open(secret, key, { ...good, evaluator: 2 }, results))).toBe("open.evaluator");
    const wider = { ...key, readings: { ...key.readings, max: 1251n } };
    expect(code(() => open(secret, wider, good, results))).toBe("open.key");
    expect(code(() => open({ ...secret, public: sm3() }, key, good, results))).toBe("open.secret");
    expect(code(() => open(secret, key, { ...good, inputs: [] }, results))).toBe("open.shape");
    for (const shape of [
      [],
      [sum],
      [sum, squares, squares],
      [sum, squares.subarray(1)],
      [sum, concat(squares, Uint8Array.of(0))],
      [sum, new Uint8Array(66).fill(0xff)],
      [sum, flipped(squares, 0, 4)],
    ]) {
      expect(code(opening(shape))).toBe("open.shape");
    }
    // A sum where the squares belong, and the other way round: numbers that can't be.
    expect(code(opening([squares, sum]))).toBe("open.impossible");
    expect(code(opening([squares, squares]))).toBe("open.impossible");
    expect(
      code(() =>
        open(secret, key, evaluationOf(key, { kind: "dot", content: none }, [4n, 4n], results), results),
      ),
    ).toBe("open.bound");
    const dear = evaluationOf(key, variance, [1n << 40n], results);
    expect(() => open(secret, key, dear, results)).toThrow("over 1099511627776 readings can reach");
  });
});

/** An owner of an ElGamal key, and whoever encrypts under it. */
class Owner {
  readonly key: ComputeKey;
  readonly secret: ComputeSecret;
  readonly #public: CurvePoint;
  #draws = 1n;

  constructor(readings: Partial<ComputeKey["readings"]> = {}) {
    const scalar = 0x1234567890abcdefn;
    this.#public = Point.BASE.multiply(scalar);
    const bytes = sm3(this.#public.toBytes(true));
    this.secret = { parameters: "sm2-elgamal-v1", public: bytes, secret: fromNumber(scalar) };
    this.key = {
      version: 1,
      owner: "owner.acme",
      parameters: "sm2-elgamal-v1",
      readings: { decimals: 1, min: -400n, max: 1250n, edges: [0n, 200n], unit: "°C", ...readings },
      public: bytes,
      evaluation: null,
      sharing: null,
    };
  }

  encrypt(m: bigint): Uint8Array {
    const r = (this.#draws++ * 0xabcdef123456789n) % ORDER;
    const message = m === 0n ? Point.ZERO : Point.BASE.multiply(m < 0n ? ORDER + m : m);
    const second = this.#public.multiply(r).add(message);
    const bytes = (point: CurvePoint) => (point.is0() ? new Uint8Array(33) : point.toBytes(true));
    return concat(bytes(Point.BASE.multiply(r)), bytes(second));
  }

  ask(job: ComputeFunction, numbers: readonly bigint[], readings: readonly bigint[]): Answer {
    const ciphertexts = numbers.map((number) => this.encrypt(number));
    return open(this.secret, this.key, evaluationOf(this.key, job, readings, ciphertexts), ciphertexts);
  }
}

describe("answers", () => {
  const owner = new Owner();
  const text = (job: ComputeFunction, numbers: bigint[], readings: bigint[]) =>
    answerText(owner.ask(job, numbers, readings));
  const weighted = (kind: "weighted-sum" | "linear"): ComputeFunction => ({
    kind,
    content: { weights: { weights: [100n, -50n], decimals: 2, intercept: 7n } },
  });

  it("are exact, or rounded half away from zero", () => {
    expect(text({ kind: "sum", content: none }, [1065n], [4n])).toBe("sum 106.5 °C over 4 readings");
    expect(text({ kind: "mean", content: none }, [1000n], [3n])).toBe(
      "mean ≈ 33.3333333 °C over 3 readings (sum 100.0)",
    );
    expect(text({ kind: "mean", content: none }, [-1000n], [3n])).toBe(
      "mean ≈ -33.3333333 °C over 3 readings (sum -100.0)",
    );
    expect(text({ kind: "mean", content: none }, [0n], [0n])).toBe(
      "mean ≈ 0.0000000 °C over 0 readings (sum 0.0)",
    );
    expect(text(weighted("weighted-sum"), [12_345n], [2n, 3n])).toBe(
      "weighted sum 12.352 °C over 5 readings",
    );
    expect(text(weighted("linear"), [7n, 125_007n], [2n, 2n])).toBe(
      "linear model, 2 rows:\n0.007 °C\n125.007 °C",
    );
    expect(text({ kind: "deviation", content: none }, [6n, 14n], [3n])).toBe(
      "standard deviation ≈ 0.0816497 °C over 3 readings (mean 0.2)",
    );
    const over: ComputeFunction = { kind: "count-over", content: { threshold: { threshold: 199n } } };
    expect(text(over, [2n], [4n])).toBe("2 of 4 readings above 19.9");
    expect(text({ kind: "histogram", content: none }, [1n, 0n, 3n], [4n])).toBe(
      "histogram of 4 readings:\n-40.0 to -0.1 °C: 1\n0.0 to 19.9 °C: 0\n20.0 to 125.0 °C: 3",
    );
    expect(text({ kind: "range", content: none }, [1n, 0n, 3n], [4n])).toBe(
      "smallest from -40.0 to -0.1 °C, largest from 20.0 to 125.0 °C, over 4 readings",
    );
    expect(text({ kind: "range", content: none }, [0n, 4n, 0n], [4n])).toContain("smallest from 0.0 to 19.9");
  });

  it("that can't be are refused", () => {
    const refused = (job: ComputeFunction, numbers: bigint[], readings: bigint[]) =>
      code(() => owner.ask(job, numbers, readings));
    expect(refused({ kind: "sum", content: none }, [5001n], [4n])).toBe("open.impossible");
    expect(refused({ kind: "histogram", content: none }, [1n, 1n, 1n], [4n])).toBe("open.impossible");
    expect(refused({ kind: "histogram", content: none }, [-1n, 4n, 1n], [4n])).toBe("open.impossible");
    expect(refused({ kind: "range", content: none }, [0n, 0n, 0n], [0n])).toBe("open.impossible");
    expect(refused({ kind: "variance", content: none }, [4n, 1n], [4n])).toBe("open.impossible");
    expect(refused(weighted("linear"), [125_007n + 200_000n], [1n, 1n])).toBe("open.impossible");
    expect(refused({ kind: "sum", content: none }, [(1n << 40n) + 1n], [4n])).toBe("open.unreadable");
  });

  it("of functions that aren't served, or arguments that don't fit, are refused beforehand", {
    timeout: 300_000,
  }, () => {
    const refused = (job: ComputeFunction, readings: bigint[]) => {
      try {
        owner.ask(job, [0n], readings);
      } catch (error) {
        return (error as Error).message;
      }
      return "opened";
    };
    expect(refused({ kind: "dot", content: none }, [1n, 1n])).toContain("can't compute dot");
    expect(refused(weighted("linear"), [1n])).toContain("2 weights for 1 inputs");
    const over = (threshold: bigint): ComputeFunction => ({
      kind: "count-over",
      content: { threshold: { threshold } },
    });
    expect(refused(over(1250n), [1n])).toContain("the threshold 125.0 isn't from -40.0 to below 125.0");
    expect(refused(over(50n), [1n])).toContain("only over thresholds just below an edge");
    const message = (readings: Partial<ComputeKey["readings"]>) => {
      try {
        new Owner(readings).ask({ kind: "histogram", content: none }, [0n], [1n]);
      } catch (error) {
        return (error as Error).message;
      }
      return "opened";
    };
    expect(message({ edges: [] })).toContain("no edges of bins");
    expect(message({ edges: [5n, 5n] })).toContain("edge 0.5 doesn't rise");
    expect(message({ min: 1250n })).toContain("isn't below the largest");
    expect(message({ max: 1n << 62n })).not.toContain("too large");
    expect(message({ max: (1n << 62n) + 1n })).toContain("too large");
    expect(message({ decimals: 10 })).toContain("at most 9");
    expect(message({ unit: "x".repeat(17) })).toContain("17 bytes: at most 16");
    const most = (1n << 40n) / 10_000n;
    const many = new Owner({ min: 0n, max: 10_000n, edges: [] });
    expect(() => many.ask({ kind: "sum", content: none }, [most * 5_000n], [most])).not.toThrow();
    expect(() => many.ask({ kind: "sum", content: none }, [0n], [most + 1n])).toThrow(
      "sum over 109951163 readings can reach 1099511630000, sm2-elgamal-v1 holds 1099511627776",
    );
  });

  it("write decimals exactly", () => {
    expect([
      decimal(0n, 0),
      decimal(-5n, 2),
      decimal(12345n, 3),
      decimal(-12345n, 0),
      decimal(7n, 1),
    ]).toEqual(["0", "-0.05", "12.345", "-12345", "0.7"]);
  });
});

describe("secret files", () => {
  const bytes = fromHex(elgamal.secret_file);

  it("are read, plain and under a passphrase", async () => {
    const file = toPem(SECRET_LABEL, bytes);
    expect(hex((await readSecret(file)).secret)).toBe(elgamal.secret);
    const sealed = toPem(`ENCRYPTED ${SECRET_LABEL}`, await encrypt(bytes, "open sesame", browserRandom));
    expect([secretNeedsPassphrase(file), secretNeedsPassphrase(sealed)]).toEqual([false, true]);
    expect(hex((await readSecret(sealed, "open sesame")).secret)).toBe(elgamal.secret);
    await expect(readSecret(sealed, "open")).rejects.toThrow("wrong passphrase");
    await expect(readSecret(sealed)).rejects.toThrow("give its passphrase");
    await expect(readSecret(toPem("PRIVATE KEY", bytes))).rejects.toThrow("it is a 'PRIVATE KEY'");
  });

  it("are refused with any byte flipped", () => {
    for (let i = 0; i < bytes.length; i++)
      expect(() => readSecretBytes(flipped(bytes, i)), `byte ${i}`).toThrow();
  });
});

describe("BFV", () => {
  const sets = Object.keys(PARAMETER_SETS).filter((set) => bfvOf(set as ParameterSet)) as ParameterSet[];

  it.each(sets)("%s: what Rust's keys, ciphertexts and results are, opens to its answer", (set) => {
    const vector = bfv[set];
    const numbers = bfvOf(set) as Bfv;
    expect(isPrimitive(numbers.root, numbers)).toBe(true);
    const scheme = new Scheme(numbers, new Fixed("sealwire compute vectors"));
    expect(hex(sm3(scheme.publicBytes))).toBe(vector.public_sm3);
    const head = concat(Uint8Array.of(0x84, 1, PARAMETER_SETS[set], 0x58, 0x20), sm3(scheme.publicBytes));
    const length = scheme.secretBytes.length;
    const file = concat(head, Uint8Array.of(0x59, length >> 8, length & 0xff), scheme.secretBytes);
    expect(hex(sm3(file))).toBe(vector.secret_file_sm3);
    const secret = readSecretBytes(file);
    const key = readComputeKey(fromHex(vector.compute_key));
    const ring = new Ring(numbers);
    const numbersOf = itemsOf(vector.form, vector.readings.map(BigInt));
    const ciphertexts = numbersOf.slice(0, 3).map((values) => scheme.encrypt(values));
    const wire = ciphertexts.map((ciphertext) => scheme.ciphertextBytes(ciphertext));
    expect(wire.map((bytes) => hex(sm3(bytes)))).toEqual(vector.ciphertexts_sm3.slice(0, 3));
    const ternary = Int8Array.from(scheme.secret);
    for (const [i, values] of numbersOf.slice(0, 3).entries()) {
      const read = ring.readCiphertext(wire[i] as Uint8Array);
      if (typeof read === "string") throw new Error(read);
      expect(ring.open(ternary, read).slice(0, 5)).toEqual([...values, 0n]);
    }
    if (set !== "bfv-add-v1") return;
    const totals = ciphertexts.map((ciphertext) => scheme.totalBytes(ciphertext));
    expect(totals.map((bytes) => hex(sm3(bytes)))).toEqual(vector.result_sm3);
    const evaluation = evaluationOf(key, { kind: "histogram", content: none }, [4n], totals);
    expect(hex(evaluationId(evaluation))).toBe(vector.evaluation_id);
    const answer = open(secret, key, evaluation, totals);
    expect(plain(answer)).toEqual(vector.answer);
    expect(answerText(answer)).toBe(vector.answer_text);
  });

  it("opens sums, counts bit by bit and rows of linear models, and refuses other shapes", () => {
    for (const [set, job, values, expected] of [
      ["bfv-add-v1", { kind: "sum", content: none }, [5n, -6n, 1250n], "sum 124.9 over 3 readings"],
      [
        "bfv-bits-v1",
        { kind: "count-over", content: { threshold: { threshold: 50n } } },
        [1n, 0n, 1n],
        "2 of 3 readings above 5.0",
      ],
    ] as const) {
      const numbers = bfvOf(set) as Bfv;
      const scheme = new Scheme(numbers, new Fixed(set));
      const { key, secret } = keyOf(set, scheme);
      const total = scheme.totalBytes(scheme.encrypt(values));
      const ask = (ciphertexts: Uint8Array[]) =>
        open(secret, key, evaluationOf(key, job, [3n], ciphertexts), ciphertexts);
      expect(answerText(ask([total]))).toBe(expected);
      if (set === "bfv-add-v1") expect(code(() => ask([total, total]))).toBe("open.shape");
      for (const shape of [
        [],
        [total.subarray(1)],
        [concat(total, Uint8Array.of(0))],
        [flipped(total, 0, 0xff)],
      ]) {
        expect(code(() => ask(shape))).toBe("open.shape");
      }
      expect(
        code(() =>
          open({ ...secret, secret: secret.secret.subarray(1) }, key, evaluationOf(key, job, [3n], [total]), [
            total,
          ]),
        ),
      ).toBe("secret.length");
    }
  });

  it("opens rows of linear models", () => {
    const numbers = bfvOf("bfv-add-v1") as Bfv;
    const scheme = new Scheme(numbers, new Fixed("rows"));
    const { key, secret } = keyOf("bfv-add-v1", scheme);
    const job: ComputeFunction = {
      kind: "linear",
      content: { weights: { weights: [1n], decimals: 0, intercept: 0n } },
    };
    const ciphertext = scheme.ciphertextBytes(scheme.encrypt([5n, -6n, 1250n, 99n]));
    const group = (count: number) => concat(Uint8Array.of(0, 0, count >> 8, count & 0xff), ciphertext);
    const ask = (ciphertexts: Uint8Array[]) =>
      open(secret, key, evaluationOf(key, job, [3n], ciphertexts), ciphertexts);
    expect(answerText(ask([group(3)]))).toBe("linear model, 3 rows:\n0.5\n-0.6\n125.0");
    for (const shape of [
      [group(2)],
      [group(4)],
      [group(0)],
      [group(4097)],
      [group(3).subarray(0, 3)],
      [group(3).subarray(0, 99)],
    ]) {
      expect(code(() => ask(shape))).toBe("open.shape");
    }
  });
});

function keyOf(set: ParameterSet, scheme: Scheme): { key: ComputeKey; secret: ComputeSecret } {
  const bytes = sm3(scheme.publicBytes);
  const key: ComputeKey = {
    version: 1,
    owner: "owner.acme",
    parameters: set,
    readings: { decimals: 1, min: -400n, max: 1250n, edges: [0n, 200n], unit: "" },
    public: bytes,
    evaluation: set === "bfv-add-v1" ? null : sm3(),
    sharing: null,
  };
  return { key, secret: { parameters: set, public: bytes, secret: scheme.secretBytes } };
}

/** What is encrypted of readings in a form, item by item. */
function itemsOf(form: string, readings: readonly bigint[]): bigint[][] {
  const bit = (value: boolean) => (value ? 1n : 0n);
  if (form === "value") return [[...readings]];
  if (form === "one-hot") {
    return [
      readings.map((x) => bit(x < 0n)),
      readings.map((x) => bit(x >= 0n && x < 200n)),
      readings.map((x) => bit(x >= 200n)),
    ];
  }
  return Array.from({ length: 11 }, (_, k) => readings.map((x) => ((x + 400n) >> BigInt(k)) & 1n));
}
