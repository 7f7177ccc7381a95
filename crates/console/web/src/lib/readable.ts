/** The payload as text, if it is text that can be read. */
export function readable(payload: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(payload);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what no person reads
    return /[\u0000-\u0008\u000e-\u001f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
