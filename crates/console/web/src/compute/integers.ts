// Whole numbers without bounds, which `Math` doesn't know.

/** Magnitude of a number. */
export function magnitude(value: bigint): bigint {
  return value < 0n ? -value : value;
}

/** The larger of two numbers. */
export function larger(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}

/** The smaller of two numbers. */
export function smaller(a: bigint, b: bigint): bigint {
  if (a < b) return a;
  return b;
}

/** The sum of numbers. */
export function total(values: readonly bigint[]): bigint {
  return values.reduce((sum, value) => sum + value, 0n);
}
