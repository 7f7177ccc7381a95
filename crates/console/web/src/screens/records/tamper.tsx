// The tamper demo: one byte of a copy is changed, and the same verification says which step catches it.
import { useMutation } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { Steps, Verdict } from "@/parts/proof";
import { Button } from "@/ui/button";
import { Segmented } from "@/ui/field";
import { Panel } from "@/ui/panel";
import { Refused } from "@/ui/states";
import { Note } from "@/ui/status";
import type { Trust } from "@/verify";
import { type Field, flipped, placesOf } from "./places";
import { check } from "./verify";

const hex = (byte: number | undefined) => (byte ?? 0).toString(16).padStart(2, "0");
/** Bytes shown on each side of the one that is changed. */
const AROUND = 12;

export function Tamper({ receipt, trust }: { receipt: Uint8Array; trust: Trust }) {
  const { t } = useTranslation();
  const places = useMemo(() => placesOf(receipt), [receipt]);
  const [field, setField] = useState<Field>("record");
  const place = places.find((one) => one.field === field) ?? places[0];
  const [at, setAt] = useState<number>();
  const middle = place ? Math.floor((place.start + place.end) / 2) : 0;
  const byte = at !== undefined && place && at >= place.start && at < place.end ? at : middle;
  const run = useMutation({ mutationFn: (where: number) => check(flipped(receipt, where), trust) });
  if (!place) return null;
  const changed = run.data;
  const where = run.variables ?? byte;
  const choose = (next: Field) => {
    setField(next);
    setAt(undefined);
    run.reset();
  };
  const failed = changed?.report.failed;
  return (
    <Panel title={t("records.tamper.title")}>
      <p className="mb-4 max-w-[78ch] text-ink-2">{t("records.tamper.lead")}</p>
      <div className="flex flex-col gap-4">
        <div>
          <div className="mb-1.5 text-[0.92rem] font-medium">{t("records.tamper.where")}</div>
          <div className="max-w-full overflow-x-auto pb-1">
            <Segmented
              label={t("records.tamper.where")}
              value={place.field}
              onChange={choose}
              options={places.map((one) => ({
                value: one.field,
                text: t(`records.tamper.field.${one.field}`),
              }))}
            />
          </div>
        </div>
        <label className="block max-w-xl">
          <span className="mb-1 flex justify-between text-[0.92rem]">
            <span className="font-medium">{t("records.tamper.slider")}</span>
            <span className="text-ink-3">{t("records.tamper.byte", { at: byte, all: receipt.length })}</span>
          </span>
          <input
            type="range"
            min={place.start}
            max={place.end - 1}
            value={byte}
            onChange={(event) => {
              setAt(Number(event.target.value));
              run.reset();
            }}
            className="w-full accent-[var(--indigo)]"
          />
        </label>
        <div>
          <div className="mb-1 text-[0.88rem] text-ink-3">{t("records.tamper.around")}</div>
          <code className="id-text flex flex-wrap gap-x-1.5 rounded-md bg-sunken px-3 py-2">
            {Array.from({ length: 2 * AROUND + 1 }, (_, offset) => byte - AROUND + offset)
              .filter((index) => index >= 0 && index < receipt.length)
              .map((index) =>
                index === byte ? (
                  <mark key={index} className="rounded bg-cinnabar-solid px-1 text-white">
                    {hex(changed ? (receipt[index] ?? 0) ^ 1 : receipt[index])}
                  </mark>
                ) : (
                  <span key={index}>{hex(receipt[index])}</span>
                ),
              )}
          </code>
        </div>
        <div className="flex gap-2">
          <Button kind="danger" busy={run.isPending} onClick={() => run.mutate(byte)}>
            {t("records.tamper.flip")}
          </Button>
          {changed && <Button onClick={() => run.reset()}>{t("records.tamper.reset")}</Button>}
        </div>
        <Refused error={run.error} />
        {changed && (
          <div className="flex flex-col gap-4">
            {failed && (
              <Note
                tone="info"
                role="status"
                title={t("records.tamper.caught", { step: t(`records.verify.step.${failed.name}`) })}
              >
                {t("records.tamper.was", {
                  before: hex(receipt[where]),
                  after: hex((receipt[where] ?? 0) ^ 1),
                })}
              </Note>
            )}
            <Verdict report={changed.report} ms={changed.ms} text={t("records.verify.holdsText")} />
            <Steps report={changed.report} />
          </div>
        )}
      </div>
    </Panel>
  );
}
