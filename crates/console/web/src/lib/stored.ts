// What the browser keeps between visits: choices and the pinned genesis digest, no secrets.
// A browser that refuses storage costs the memory, not the page.

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(`sealwire.${key}`);
  } catch {
    return null;
  }
}

export function keep(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`sealwire.${key}`);
    else localStorage.setItem(`sealwire.${key}`, value);
  } catch {
    // Private windows may refuse; the choice then lasts for this page.
  }
}
