/** Unsigned LEB128, shortest form: seven bits per byte, the least significant first. */
export function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  for (; value >= 0x80n; value >>= 7n) bytes.push(Number(value & 0x7fn) | 0x80);
  bytes.push(Number(value));
  return Uint8Array.from(bytes);
}
