// The ledger's words with their colours: a word always stands beside the colour.
import type { ParseKeys } from "i18next";
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import type { Kind, Right, Role } from "@/api/ledger";
import { Badge, type Tone } from "@/ui/status";

const STATUS_TONES: Record<string, Tone> = {
  live: "good",
  open: "good",
  "not-yet-valid": "info",
  suspended: "doubt",
  expired: "doubt",
  revoked: "bad",
  unregistered: "quiet",
  used: "quiet",
  closed: "quiet",
};

type WordList = "status" | "role" | "kind" | "right" | "action" | "mode";

/** The word for one of a list's names, or the name itself where a newer ledger has one more. */
export function useWord() {
  const { t, i18n } = useTranslation();
  return useCallback(
    (list: WordList, name: string): string => {
      const key = `words.${list}.${name}`;
      return i18n.exists(key) ? String(t(key as ParseKeys)) : name;
    },
    [t, i18n],
  );
}

export function StatusBadge({ status }: { status: string }) {
  const word = useWord();
  return (
    <Badge tone={STATUS_TONES[status] ?? "quiet"} icon>
      {word("status", status)}
    </Badge>
  );
}

const KIND_TONES: Record<Kind, Tone> = {
  connected: "good",
  "connect-refused": "bad",
  disconnected: "quiet",
  subscribed: "info",
  "subscribe-refused": "bad",
  "publish-refused": "bad",
  "subscription-ended": "doubt",
  "locked-out": "bad",
  reauthenticated: "good",
  "reauthentication-refused": "bad",
};

export function KindBadge({ kind }: { kind: string }) {
  const word = useWord();
  return (
    <Badge tone={KIND_TONES[kind as Kind] ?? "quiet"} icon>
      {word("kind", kind)}
    </Badge>
  );
}

export function RoleText({ role }: { role: Role | string }) {
  return useWord()("role", role);
}

export function RightsList({ rights }: { rights: (Right | string)[] }) {
  const word = useWord();
  return (
    <span className="inline-flex flex-wrap gap-1">
      {rights.map((right) => (
        <Badge key={right} tone="info">
          {word("right", right)}
        </Badge>
      ))}
    </span>
  );
}

export function ModeBadge({ mode }: { mode: "sealed" | "open" | string }) {
  const word = useWord();
  return <Badge tone={mode === "sealed" ? "info" : "doubt"}>{word("mode", mode)}</Badge>;
}
