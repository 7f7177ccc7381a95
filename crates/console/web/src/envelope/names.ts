// Names: organisations, client ids, topics. Each rule says what would be right.

import { utf8 } from "../crypto/bytes";
import { text } from "./cbor";

/** Longest topic, in bytes of UTF-8. */
export const TOPIC_MAX_BYTES = 256;
/** Most levels of a topic. */
export const TOPIC_MAX_LEVELS = 16;

const ORG = /^[a-z][a-z0-9_-]{0,31}$/;
const CLIENT = /^[a-z][a-z0-9_-]{0,31}\.[a-z0-9_-]{1,64}$/;
const ORG_RULE = "an organisation: 1 to 32 of a-z, 0-9, '-', '_', starting with a letter";
const CLIENT_RULE = "a client id: <organisation>.<name>, the name 1 to 64 of a-z, 0-9, '-', '_'";
const TOPIC_RULE =
  "a topic name: 1 to 256 bytes, at most 16 levels, no '+', '#', control characters or leading '$'";
const FILTER_RULE = "a topic filter: as a topic name, but '+' may be a level and '#' the last";

/** Null if it is an organisation's name, else what would be. */
export function orgRule(name: string): string | null {
  return ORG.test(name) ? null : ORG_RULE;
}

/** Null if it is a client id, else what would be. */
export function clientRule(name: string): string | null {
  return CLIENT.test(name) ? null : CLIENT_RULE;
}

function sound(name: string): boolean {
  const length = utf8(name).length;
  const printable = !/\p{Cc}/u.test(name);
  const levels = name.split("/").length;
  return (
    length >= 1 &&
    length <= TOPIC_MAX_BYTES &&
    !name.startsWith("$") &&
    printable &&
    levels <= TOPIC_MAX_LEVELS
  );
}

/** Null if it is a topic's name, else what would be. */
export function topicRule(name: string): string | null {
  return sound(name) && !/[+#]/.test(name) ? null : TOPIC_RULE;
}

/** Null if it is a topic filter, else what would be. */
export function filterRule(name: string): string | null {
  const levels = name.split("/");
  const wildcards = levels.every(
    (level, i) => level === "+" || (level === "#" && i === levels.length - 1) || !/[+#]/.test(level),
  );
  return sound(name) && wildcards ? null : FILTER_RULE;
}

/** The client in whose prefix a topic lies. */
export function topicOwner(topic: string): string | null {
  const [org, name, ...rest] = topic.split("/");
  if (rest.length === 0 || rest[0] === "") return null;
  const owner = `${org}.${name}`;
  return clientRule(owner) === null ? owner : null;
}

/** An organisation's name in CBOR. */
export const org = text<string>(orgRule);
/** A client id in CBOR. */
export const client = text<string>(clientRule);
/** A topic in CBOR. */
export const topic = text<string>(topicRule);
