// Writes src/api/schema.ts from the console's OpenAPI document, which the server's tests pin.
// With --check it only says whether the file is up to date.
import { readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const DOCUMENT = new URL("../../../../docs/console-openapi.json", import.meta.url);
const TYPES = new URL("../src/api/schema.ts", import.meta.url);

const head = "// Written by `npm run types` from docs/console-openapi.json: don't edit.\n\n";
const text = head + astToString(await openapiTS(DOCUMENT, { alphabetize: false }));
if (!process.argv.includes("--check")) {
  writeFileSync(TYPES, text);
} else if (readFileSync(TYPES, "utf8") !== text) {
  console.error("src/api/schema.ts isn't what docs/console-openapi.json says: run `npm run types`");
  process.exit(1);
}
