// Asking a gateway for a computation, once or again and again.
import { useQueries } from "@tanstack/react-query";
import { Plus, X } from "lucide-react";
import { type FormEvent, type ReactNode, useEffect, useId, useState } from "react";
import { useTranslation } from "react-i18next";
import { useAct } from "@/api/actions";
import { api, ok } from "@/api/client";
import { duration } from "@/lib/format";
import { TopicField } from "@/parts/topic-field";
import { useOwnersHere } from "@/screens/topics/requests";
import { Button, IconButton } from "@/ui/button";
import { Dialog } from "@/ui/dialog";
import { Segmented, SelectField, TextField } from "@/ui/field";
import { Refused } from "@/ui/states";
import { toast } from "@/ui/toast";
import { useFunctionName } from "./evaluations";
import { computeKeysQuery, decimal } from "./keys";

const FUNCTIONS = [
  "mean",
  "sum",
  "count-over",
  "variance",
  "deviation",
  "range",
  "histogram",
  "dot",
  "weighted-sum",
  "linear",
] as const;
type FunctionName = (typeof FUNCTIONS)[number];

/** Spans offered, in seconds; 0 is everything. */
const SPANS_S = [60, 600, 3_600, 86_400, 604_800, 0];
const EVERY_S = [10, 60, 600, 3_600, 86_400];
/** Topics of one computation that the page offers; the command line takes more. */
const TOPICS_MAX = 16;

interface Input {
  topic: string;
  weight: string;
}

interface Asked {
  key: string;
  name: FunctionName;
  inputs: Input[];
  threshold: string;
  constant: string;
  span_s: number;
  often: "once" | "standing";
  every_s: number;
  publish: string;
}

const FIRST: Asked = {
  key: "",
  name: "mean",
  inputs: [{ topic: "", weight: "1" }],
  threshold: "",
  constant: "",
  span_s: 3_600,
  often: "once",
  every_s: 60,
  publish: "",
};

function whatOf({ key, name, inputs, threshold, constant }: Asked) {
  const weighted = isWeighted(name);
  return {
    key: key.trim(),
    function: name,
    topics: inputs.map(({ topic }) => topic.trim()),
    weights: weighted ? inputs.map(({ weight }) => weight.trim()) : [],
    ...(weighted && constant.trim() ? { constant: constant.trim() } : {}),
    ...(name === "count-over" ? { threshold: threshold.trim() } : {}),
  };
}

function isWeighted(name: FunctionName): boolean {
  return name === "weighted-sum" || name === "linear";
}

async function send(as: string, asked: Asked) {
  const what = whatOf(asked);
  if (asked.often === "once") {
    const from_ms = asked.span_s > 0 ? Date.now() - asked.span_s * 1_000 : undefined;
    return ok(api.POST("/api/actions/compute/ask", { body: { as, what, from_ms } }));
  }
  const { every_s, span_s: over_s, publish } = asked;
  const body = { as, what, every_s, over_s, publish: publish.trim() };
  return ok(api.POST("/api/actions/compute/standing", { body }));
}

export function AskDialog(props: { open: boolean; onOpenChange: (open: boolean) => void; as: string }) {
  const { t } = useTranslation();
  const { open, onOpenChange, as } = props;
  return (
    <Dialog
      open={open}
      onOpenChange={onOpenChange}
      title={t("compute.ask.title")}
      lead={t("compute.ask.lead", { client: as })}
      wide
    >
      {open && <AskForm as={as} close={() => onOpenChange(false)} />}
    </Dialog>
  );
}

function AskForm({ as, close }: { as: string; close: () => void }) {
  const { t } = useTranslation();
  const [asked, setAsked] = useState(FIRST);
  const set = (change: Partial<Asked>) => setAsked((now) => ({ ...now, ...change }));
  const act = useAct(
    () => send(as, asked),
    () => {
      toast(t(asked.often === "once" ? "compute.ask.done" : "compute.ask.doneStanding"));
      close();
    },
  );
  const submit = (event: FormEvent) => {
    event.preventDefault();
    act.mutate(undefined);
  };
  const standing = asked.often === "standing";
  const ready =
    asked.key.trim() &&
    asked.inputs.every(({ topic }) => topic.trim()) &&
    (!standing || asked.publish.trim());
  return (
    <form onSubmit={submit} className="flex flex-col gap-4">
      <KeyField value={asked.key} onChange={(key) => set({ key })} />
      <FunctionFields asked={asked} set={set} />
      <Inputs asked={asked} set={set} />
      <WhenFields asked={asked} set={set} />
      <Refused error={act.error} />
      <div className="flex justify-end gap-2">
        <Button onClick={close}>{t("ui.cancel")}</Button>
        <Button type="submit" kind="primary" busy={act.isPending} disabled={!ready}>
          {t(standing ? "compute.ask.submitStanding" : "compute.ask.submit")}
        </Button>
      </div>
    </form>
  );
}

interface Part {
  asked: Asked;
  set: (change: Partial<Asked>) => void;
}

/** A compute key's id, with those of clients whose keys are here to choose from. */
function KeyField({ value, onChange }: { value: string; onChange: (key: string) => void }) {
  const { t } = useTranslation();
  const id = useId();
  const here = useOwnersHere();
  const keys = useQueries({
    queries: here.map(computeKeysQuery),
    combine: (results) =>
      results.flatMap((result) => result.data?.value ?? []).filter(({ compute_key }) => !compute_key.retired),
  });
  const first = keys[0]?.id;
  useEffect(() => {
    if (first && value === "") onChange(first);
  }, [first, value, onChange]);
  const chosen = keys.find((key) => key.id === value.trim())?.compute_key.key;
  let hint: ReactNode = t("compute.ask.keyHint");
  if (chosen) {
    const { min, max, decimals, unit } = chosen.readings;
    hint = t("compute.ask.keyIs", {
      owner: chosen.owner,
      parameters: chosen.parameters,
      min: decimal(min, decimals),
      max: decimal(max, decimals),
      unit,
    });
  }
  return (
    <>
      <TextField
        label={t("compute.byKey")}
        hint={hint}
        mono
        list={id}
        value={value}
        onChange={(event) => onChange(event.target.value)}
      />
      <datalist id={id}>
        {keys.map(({ id: key, compute_key }) => (
          <option key={key} value={key} label={`${compute_key.key.owner} · ${compute_key.key.parameters}`} />
        ))}
      </datalist>
    </>
  );
}

function FunctionFields({ asked, set }: Part) {
  const { t } = useTranslation();
  const functionName = useFunctionName();
  return (
    <div className="grid gap-4 sm:grid-cols-2">
      <SelectField
        label={t("compute.column.function")}
        value={asked.name}
        onChange={(name) => set({ name })}
        options={FUNCTIONS.map((value) => ({ value, text: functionName(value) }))}
      />
      {asked.name === "count-over" && (
        <TextField
          label={t("compute.values.threshold")}
          inputMode="decimal"
          value={asked.threshold}
          onChange={(event) => set({ threshold: event.target.value })}
        />
      )}
      {isWeighted(asked.name) && (
        <TextField
          label={t("compute.ask.constant")}
          inputMode="decimal"
          placeholder="0"
          value={asked.constant}
          onChange={(event) => set({ constant: event.target.value })}
        />
      )}
    </div>
  );
}

function Inputs({ asked, set }: Part) {
  const { t } = useTranslation();
  const { inputs } = asked;
  const change = (at: number, to: Partial<Input>) =>
    set({ inputs: inputs.map((input, index) => (index === at ? { ...input, ...to } : input)) });
  return (
    <fieldset className="flex flex-col gap-2">
      <legend className="mb-1 text-[0.92rem] font-medium">{t("compute.column.inputs")}</legend>
      {inputs.map((input, index) => (
        <div key={index} className="flex items-end gap-2">
          <TopicField
            label={t("compute.ask.topic", { number: index + 1 })}
            value={input.topic}
            onChange={(topic) => change(index, { topic })}
            className="min-w-0 flex-1"
          />
          {isWeighted(asked.name) && (
            <TextField
              label={t("compute.ask.weight")}
              inputMode="decimal"
              value={input.weight}
              onChange={(event) => change(index, { weight: event.target.value })}
              className="w-24"
            />
          )}
          {inputs.length > 1 && (
            <IconButton
              name={t("compute.ask.remove", { number: index + 1 })}
              onClick={() => set({ inputs: inputs.filter((_, other) => other !== index) })}
            >
              <X aria-hidden />
            </IconButton>
          )}
        </div>
      ))}
      {inputs.length < TOPICS_MAX && (
        <Button
          small
          icon={<Plus aria-hidden />}
          className="self-start"
          onClick={() => set({ inputs: [...inputs, { topic: "", weight: "1" }] })}
        >
          {t("compute.ask.another")}
        </Button>
      )}
    </fieldset>
  );
}

function WhenFields({ asked, set }: Part) {
  const { t, i18n } = useTranslation();
  const standing = asked.often === "standing";
  const spans = SPANS_S.filter((seconds) => !standing || seconds > 0);
  const span = (seconds: number) =>
    seconds > 0
      ? t("compute.ask.last", { span: duration(seconds, i18n.language) })
      : t("compute.ask.everything");
  return (
    <>
      <Segmented
        label={t("compute.ask.often")}
        value={asked.often}
        onChange={(often) =>
          set({ often, ...(often === "standing" && asked.span_s === 0 ? { span_s: 3_600 } : {}) })
        }
        options={[
          { value: "once", text: t("compute.ask.once") },
          { value: "standing", text: t("compute.ask.again") },
        ]}
      />
      <div className="grid gap-4 sm:grid-cols-2">
        <SelectField
          label={t("compute.ask.span")}
          value={String(asked.span_s)}
          onChange={(seconds) => set({ span_s: Number(seconds) })}
          options={spans.map((seconds) => ({ value: String(seconds), text: span(seconds) }))}
        />
        {standing && (
          <SelectField
            label={t("compute.ask.every")}
            value={String(asked.every_s)}
            onChange={(seconds) => set({ every_s: Number(seconds) })}
            options={EVERY_S.map((seconds) => ({
              value: String(seconds),
              text: duration(seconds, i18n.language),
            }))}
          />
        )}
      </div>
      {standing && (
        <TopicField
          label={t("compute.ask.publish")}
          hint={t("compute.ask.publishHint")}
          value={asked.publish}
          onChange={(publish) => set({ publish })}
        />
      )}
    </>
  );
}
