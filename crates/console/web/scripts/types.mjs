// Writes src/api/schema.ts from the console's OpenAPI document, which the server's tests pin.
// With --check it only says whether the file is up to date.
import { readFileSync, writeFileSync } from "node:fs";
import openapiTS, { astToString } from "openapi-typescript";

const DOCUMENT = new URL("../../../../docs/console-openapi.json", import.meta.url);
const TYPES = new URL("../src/api/schema.ts", import.meta.url);

const head = "// Written by `npm run types` from docs/console-openapi.json: don't edit.\n\n";
const document = JSON.parse(readFileSync(DOCUMENT, "utf8"));
// Requests are typed by their paths. The names of operations are handlers' names and may repeat.
for (const methods of Object.values(document.paths)) {
  for (const operation of Object.values(methods)) delete operation.operationId;
}
const text = head + astToString(await openapiTS(document));
if (!process.argv.includes("--check")) {
  writeFileSync(TYPES, text);
} else if (readFileSync(TYPES, "utf8") !== text) {
  console.error("src/api/schema.ts isn't what docs/console-openapi.json says: run `npm run types`");
  process.exit(1);
}
