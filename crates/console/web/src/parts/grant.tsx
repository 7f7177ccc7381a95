// What a grant, request or authorisation key gives, in one line or in full.
import { useTranslation } from "react-i18next";
import { type Grant, grantStands, type Terms } from "@/api/ledger";
import { useNow } from "@/lib/clock";
import { Badge, type Tone } from "@/ui/status";
import { Time } from "@/ui/value";
import { RightsList } from "./badges";
import { Sentence } from "./sentence";

/** Rights, then until when, for which records and what for. */
export function TermsLine({ terms }: { terms: Terms }) {
  const { t } = useTranslation();
  const { expires_s, from_s, to_s, purpose } = terms;
  const time = (seconds: number) => ({ time: <Time ms={seconds * 1000} /> });
  return (
    <span className="inline-flex flex-wrap items-center gap-x-2 gap-y-0.5">
      <RightsList rights={terms.rights} />
      <span className="text-[0.9rem] text-ink-2">
        {expires_s ? (
          <Sentence text={t("rights.terms.until")} parts={time(expires_s)} />
        ) : (
          t("rights.terms.forever")
        )}
      </span>
      {from_s && (
        <span className="text-[0.9rem] text-ink-2">
          <Sentence text={t("rights.terms.from")} parts={time(from_s)} />
        </span>
      )}
      {to_s && (
        <span className="text-[0.9rem] text-ink-2">
          <Sentence text={t("rights.terms.to")} parts={time(to_s)} />
        </span>
      )}
      {purpose && (
        <span className="text-[0.9rem] break-words text-ink-2">
          <Sentence text={t("rights.terms.for")} parts={{ purpose }} />
        </span>
      )}
    </span>
  );
}

const TONES: Record<ReturnType<typeof grantStands>, Tone> = {
  live: "good",
  revoked: "bad",
  expired: "doubt",
};

/** Whether a grant is in force, and since when it isn't. */
export function GrantState({ grant }: { grant: Grant }) {
  const { t } = useTranslation();
  const stands = grantStands(grant, useNow());
  const at = grant.revoked ? grant.revoked.time_ms : (grant.expires_s ?? 0) * 1000;
  return (
    <Badge tone={TONES[stands]} icon>
      <span>
        <Sentence text={t(`rights.terms.${stands}`)} parts={{ time: <Time ms={at} ago /> }} />
      </span>
    </Badge>
  );
}
