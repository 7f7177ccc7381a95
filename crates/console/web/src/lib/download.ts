/** Hands bytes or text to the person as a file. */
export function download(name: string, content: BlobPart, type: string): void {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  // The browser takes the bytes before the next task.
  setTimeout(() => URL.revokeObjectURL(url), 0);
}
