// Compute keys of one owner, or of all whose keys are at the console.
import { useQueries } from "@tanstack/react-query";
import { Link, useNavigate, useSearch } from "@tanstack/react-router";
import { Sigma } from "lucide-react";
import { useCallback } from "react";
import { useTranslation } from "react-i18next";
import { type ComputeKey, ledgerQuery, part } from "@/api/ledger";
import { tidy } from "@/lib/params";
import { ClientField } from "@/parts/client-field";
import { Sentence } from "@/parts/sentence";
import { useOwnersHere } from "@/screens/topics/requests";
import { buttonClass } from "@/ui/button";
import { useTyped } from "@/ui/debounced";
import { Facts, Panel } from "@/ui/panel";
import { Empty, Failed, Loading } from "@/ui/states";
import { Badge } from "@/ui/status";
import { ClientLink, Code, HeightLink, Id, Time } from "@/ui/value";

/** A reading of so many steps of the last decimal, as people write it. */
export function decimal(steps: number, decimals: number): string {
  const digits = Math.abs(steps)
    .toString()
    .padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const sign = steps < 0 ? "-" : "";
  return decimals === 0 ? `${sign}${whole}` : `${sign}${whole}.${digits.slice(-decimals)}`;
}

/** The compute keys of an owner, retired ones too. */
export function computeKeysQuery(owner: string) {
  return ledgerQuery<ComputeKey[]>(`clients/${part(owner)}/compute-keys`, { limit: 1000 });
}

export function ComputeKeys() {
  const { t } = useTranslation();
  const { owner } = useSearch({ from: "/inside/compute" });
  const navigate = useNavigate({ from: "/compute" });
  const here = useOwnersHere();
  const setOwner = useCallback(
    (next: string) =>
      void navigate({ search: (now) => tidy({ ...now, owner: next.trim() || undefined }), replace: true }),
    [navigate],
  );
  const [typed, setTyped] = useTyped(owner ?? "", setOwner);
  const owners = owner ? [owner] : here;
  const results = useQueries({
    queries: owners.map((one) => computeKeysQuery(one)),
  });
  const failed = results.find((result) => result.error && !result.data);
  const keys = results.flatMap((result) => result.data?.value ?? []);
  return (
    <div className="flex flex-col gap-4">
      <Panel>
        <ClientField
          label={t("compute.owner")}
          hint={t("compute.ownerHint")}
          value={typed}
          onChange={setTyped}
          className="max-w-md"
        />
      </Panel>
      {failed ? (
        <Panel>
          <Failed error={failed.error} retry={() => void failed.refetch()} />
        </Panel>
      ) : results.some((result) => result.isPending) ? (
        <Panel>
          <Loading lines={5} />
        </Panel>
      ) : keys.length === 0 ? (
        <Panel>
          <Empty
            icon={Sigma}
            title={t("compute.noKeys")}
            actions={<Code text="sealwire compute keygen --help" />}
          >
            {t("compute.noKeysText")}
          </Empty>
        </Panel>
      ) : (
        <ul className="grid gap-4 xl:grid-cols-2" aria-label={t("compute.keysOf")}>
          {keys.map((key) => (
            <li key={key.id} className="panel min-w-0 p-4">
              <Key record={key} />
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Key({ record }: { record: ComputeKey }) {
  const { t } = useTranslation();
  const { id, compute_key } = record;
  const { key, registered, retired } = compute_key;
  const { decimals, min, max, edges, unit } = key.readings;
  return (
    <>
      <div className="mb-3 flex flex-wrap items-center gap-2">
        <span className="font-semibold">{key.parameters}</span>
        <Badge tone={retired ? "bad" : "good"} icon>
          {t(retired ? "compute.state.retired" : "compute.state.live")}
        </Badge>
        <span className="ms-auto">
          <Id id={id} />
        </span>
      </div>
      <Facts
        items={[
          [t("compute.owner"), <ClientLink key="o" client={key.owner} />],
          [
            t("compute.readings"),
            <span key="r">
              <Sentence
                text={t("compute.readingsLine")}
                parts={{
                  min: decimal(min, decimals),
                  max: decimal(max, decimals),
                  unit: unit || " ",
                  decimals: String(decimals),
                }}
              />
              {edges.length > 0 && ` · ${t("compute.bins", { count: edges.length + 1 })}`}
            </span>,
          ],
          key.sharing && [
            t("compute.key"),
            t("compute.shared", { threshold: key.sharing.threshold, holders: key.sharing.holders.length }),
          ],
          [t("compute.public"), <Id key="p" id={key.public} />],
          [
            t("compute.registered"),
            <span key="g">
              <Time ms={registered.time_ms} /> · <HeightLink height={registered.height} />
            </span>,
          ],
          retired && [t("compute.state.retired"), `${retired.reason}`],
        ]}
      />
      <div className="mt-3">
        <Link
          to="/compute"
          search={{ tab: "evaluations", key: id }}
          className={buttonClass("secondary", true)}
        >
          {t("compute.toEvaluations")}
        </Link>
      </div>
    </>
  );
}
