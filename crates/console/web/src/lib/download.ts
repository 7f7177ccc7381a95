/** Hands bytes or text to the person as a file. */
export function download(name: string, content: BlobPart, type: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  save(url, name);
  // The browser takes the bytes before the next task.
  setTimeout(() => URL.revokeObjectURL(url), 0);
}

/** Has the browser save what is at an address, as its answer names it; the page stays, whatever comes. */
export function downloadFrom(path: string): void {
  save(path, "");
}

function save(address: string, name: string): void {
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
}
