// Making an authorisation key. Its text is shown once, with a QR code drawn here.
import { type FormEvent, useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { encode } from "uqr";
import { useAct } from "@/api/actions";
import { api, ok, type Schemas } from "@/api/client";
import { Button } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { TextField } from "@/ui/field";
import { Refused } from "@/ui/states";
import { Note } from "@/ui/status";
import { Code } from "@/ui/value";
import { type Chosen, NOTHING, TermsFields, termsOf } from "./terms";

const DAY_S = 86_400;
/** Most uses of one key: the ledger's bound. */
const USES_MAX = 256;

export function KeyDialog(props: {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  topic: string;
  owner: string;
}) {
  const { t } = useTranslation();
  const { open, onOpenChange } = props;
  const [topic, setTopic] = useState("");
  const [chosen, setChosen] = useState<Chosen>(NOTHING);
  const [uses, setUses] = useState("1");
  const [days, setDays] = useState("30");
  const act = useAct(() =>
    ok(
      api.POST("/api/actions/authorisations/create", {
        body: {
          as: props.owner,
          topic: topic.trim(),
          ...termsOf(chosen),
          uses: Number(uses) || 1,
          redeem_within_s: (Number(days) || 30) * DAY_S,
        },
      }),
    ),
  );
  const { reset } = act;
  useEffect(() => {
    setTopic(props.topic);
    setChosen(NOTHING);
    // The key's text doesn't outlive the dialog.
    if (!open) reset();
  }, [open, props.topic, reset]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    act.mutate(undefined);
  };
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title={act.data ? t("topics.key.made") : t("topics.key.title")}
      lead={act.data ? undefined : t("topics.key.lead")}
    >
      {act.data ? (
        <Made made={act.data} />
      ) : (
        <form onSubmit={submit} className="flex flex-col gap-4">
          <TextField
            label={t("topics.grant.topic")}
            hint={t("topics.grant.topicHint")}
            value={topic}
            onChange={(event) => setTopic(event.target.value)}
          />
          <TermsFields chosen={chosen} onChange={setChosen} />
          <div className="grid gap-4 sm:grid-cols-2">
            <TextField
              label={t("topics.key.uses")}
              type="number"
              min={1}
              max={USES_MAX}
              value={uses}
              onChange={(event) => setUses(event.target.value)}
            />
            <TextField
              label={t("topics.key.within")}
              type="number"
              min={1}
              max={3650}
              value={days}
              onChange={(event) => setDays(event.target.value)}
            />
          </div>
          <Refused error={act.error} />
          <div className="flex justify-end gap-2">
            <Button onClick={() => onOpenChange(false)}>{t("ui.cancel")}</Button>
            <Button type="submit" kind="primary" busy={act.isPending} disabled={chosen.rights.length === 0}>
              {t("topics.key.submit")}
            </Button>
          </div>
        </form>
      )}
    </Dialog>
  );
}

function Made({ made }: { made: Schemas["Authorised"] }) {
  const { t } = useTranslation();
  return (
    <div className="flex flex-col gap-4">
      <Note tone="doubt" role="status">
        {t("topics.key.madeText")}
      </Note>
      <Qr text={made.key} label={t("topics.key.qr")} />
      <Code text={made.key} />
    </div>
  );
}

/** A QR code, black on white in dark mode as well: scanners want it so. */
function Qr({ text, label }: { text: string; label: string }) {
  const { data, size } = encode(text, { ecc: "M", border: 3 });
  const path = data
    .flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : "")))
    .filter(Boolean)
    .join("");
  return (
    <svg
      viewBox={`0 0 ${size} ${size}`}
      role="img"
      aria-label={label}
      shapeRendering="crispEdges"
      className="mx-auto w-52 max-w-full rounded-lg border border-line"
    >
      <rect width={size} height={size} fill="#fff" />
      <path d={path} fill="#000" />
    </svg>
  );
}
