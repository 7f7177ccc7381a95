// How many compressed bytes a browser fetches before the overview stands: the page, its scripts, styles and
// fonts, and one language. Fails above the limit.
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

/** Limit of the first load, in compressed bytes. */
const FIRST_LOAD_MAX_BYTES = 400_000;
const ASSETS = new URL("../../assets/", import.meta.url);

const manifest = JSON.parse(readFileSync(new URL("manifest.json", ASSETS), "utf8"));
const files = new Set(["index.html"]);
const visit = (name, seen = new Set()) => {
  if (seen.has(name)) return;
  seen.add(name);
  const chunk = manifest[name];
  for (const file of [chunk.file, ...(chunk.css ?? []), ...(chunk.assets ?? [])]) files.add(file);
  for (const next of chunk.imports ?? []) visit(next, seen);
};
for (const name of ["index.html", "src/screens/overview/overview.tsx", "src/ui/chart.tsx"]) visit(name);

const size = (file) => {
  const bytes = readFileSync(new URL(file, ASSETS));
  // Fonts are compressed as they are.
  return file.endsWith(".woff2") ? bytes.length : gzipSync(bytes).length;
};
const languages = ["src/i18n/en/index.ts", "src/i18n/zh/index.ts"].map((name) => size(manifest[name].file));
const total = [...files].reduce((sum, file) => sum + size(file), 0) + Math.max(...languages);
console.log(`first load: ${total} bytes compressed, limit ${FIRST_LOAD_MAX_BYTES}`);
if (total > FIRST_LOAD_MAX_BYTES) {
  for (const file of files) console.error(`${String(size(file)).padStart(8)} ${file}`);
  process.exit(1);
}
