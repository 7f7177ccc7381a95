/** `value * 10^-decimals` as text, exactly. */
export function decimal(value: bigint, decimals: number): string {
  const sign = value < 0n ? "-" : "";
  const digits = (value < 0n ? -value : value).toString().padStart(decimals + 1, "0");
  if (decimals === 0) return sign + digits;
  const at = digits.length - decimals;
  return `${sign}${digits.slice(0, at)}.${digits.slice(at)}`;
}
