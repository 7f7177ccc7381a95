// The terms of a grant, a request or an authorisation key: the same fields in all three.
import { useTranslation } from "react-i18next";
import type { Schemas } from "@/api/client";
import { RIGHTS, type Right } from "@/api/ledger";
import { fromInput } from "@/lib/format";
import { useWord } from "@/parts/badges";
import { CheckField, TextField } from "@/ui/field";

export interface Chosen {
  rights: Right[];
  until: string;
  purpose: string;
}

export const NOTHING: Chosen = { rights: ["subscribe", "read"], until: "", purpose: "" };

/** As the server takes them. */
export function termsOf({ rights, until, purpose }: Chosen): Schemas["Terms"] {
  const ms = fromInput(until);
  return { rights, expires_s: ms === undefined ? undefined : Math.floor(ms / 1000), purpose: purpose.trim() };
}

export function TermsFields({ chosen, onChange }: { chosen: Chosen; onChange: (chosen: Chosen) => void }) {
  const { t } = useTranslation();
  const word = useWord();
  const toggle = (right: Right, on: boolean) =>
    onChange({
      ...chosen,
      rights: RIGHTS.filter((one) => (one === right ? on : chosen.rights.includes(one))),
    });
  return (
    <>
      <fieldset>
        <legend className="mb-1.5 text-[0.92rem] font-medium">{t("topics.grant.rights")}</legend>
        <div className="grid gap-2 sm:grid-cols-2">
          {RIGHTS.map((right) => (
            <CheckField
              key={right}
              checked={chosen.rights.includes(right)}
              onChange={(on) => toggle(right, on)}
              label={word("right", right)}
              hint={t(`topics.grant.rightHint.${right}`)}
            />
          ))}
        </div>
        {chosen.rights.length === 0 && (
          <p className="mt-1 text-[0.87rem] text-cinnabar">{t("topics.grant.noRight")}</p>
        )}
      </fieldset>
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label={t("topics.grant.expires")}
          hint={t("topics.grant.expiresHint")}
          type="datetime-local"
          value={chosen.until}
          onChange={(event) => onChange({ ...chosen, until: event.target.value })}
        />
        <TextField
          label={t("topics.grant.purpose")}
          hint={t("topics.grant.purposeHint")}
          value={chosen.purpose}
          onChange={(event) => onChange({ ...chosen, purpose: event.target.value })}
        />
      </div>
    </>
  );
}
