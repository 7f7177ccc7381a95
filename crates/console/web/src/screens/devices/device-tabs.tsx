// A client's topics, rights and the metadata of what it published last.
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { FileCheck2, ShieldQuestion, Waypoints } from "lucide-react";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import type { Schemas } from "@/api/client";
import {
  flat,
  type GrantRecord,
  ledgerPages,
  ledgerQuery,
  type NamedTopic,
  part,
  type WideGrant,
} from "@/api/ledger";
import { ModeBadge } from "@/parts/badges";
import { GrantState, TermsLine } from "@/parts/grant";
import { Button, buttonClass } from "@/ui/button";
import { Panel } from "@/ui/panel";
import { Empty, Loaded } from "@/ui/states";
import { Badge } from "@/ui/status";
import { ClientLink, HeightLink, Time, TopicLink } from "@/ui/value";

/** A list whose pages are asked for by a button: short ones, in panels. */
function Pages<T>(props: {
  path: string;
  args?: Record<string, string>;
  empty: ReactNode;
  line: (entry: T) => ReactNode;
  id: (entry: T) => string;
}) {
  const { t } = useTranslation();
  const query = useInfiniteQuery(ledgerPages<T>(props.path, props.args));
  return (
    <Loaded query={query} lines={3} small>
      {(data) => {
        const entries = flat(data);
        if (entries.length === 0) return props.empty;
        return (
          <>
            <ul className="divide-y divide-line/70">
              {entries.map((entry) => (
                <li key={props.id(entry)} className="px-4 py-2.5">
                  {props.line(entry)}
                </li>
              ))}
            </ul>
            {query.hasNextPage && (
              <div className="p-3">
                <Button small busy={query.isFetchingNextPage} onClick={() => void query.fetchNextPage()}>
                  {t("ui.more")}
                </Button>
              </div>
            )}
          </>
        );
      }}
    </Loaded>
  );
}

export function ClientTopics({ client }: { client: string }) {
  const { t } = useTranslation();
  const prefix = `${client.replace(".", "/")}/`;
  const register = (
    <Link to="/topics" search={{ client, tab: "topic" }} className={buttonClass("secondary", true)}>
      {t("devices.register")}
    </Link>
  );
  return (
    <Panel title={t("devices.ownTopics")} actions={register} flush>
      <Pages<NamedTopic>
        path={`clients/${part(client)}/topics`}
        id={(entry) => entry.name}
        empty={
          <Empty small icon={Waypoints} title={t("devices.noTopics")}>
            {t("devices.noTopicsText", { prefix })}
          </Empty>
        }
        line={({ name, topic }) => (
          <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
            <span className="min-w-0 flex-1 basis-56">
              <TopicLink topic={name} />
            </span>
            <ModeBadge mode={topic.mode} />
            {topic.closed && <Badge tone="bad">{t("words.status.closed")}</Badge>}
            <span className="text-[0.9rem] text-ink-3">
              <Time ms={topic.registered.time_ms} ago />
            </span>
          </div>
        )}
      />
    </Panel>
  );
}

export function ClientRights({ client }: { client: string }) {
  const { t } = useTranslation();
  const ask = (
    <Link to="/topics" search={{ tab: "simulate", client }} className={buttonClass("secondary", true)}>
      {t("devices.askWhy")}
    </Link>
  );
  return (
    <div className="grid gap-4 xl:grid-cols-2">
      <Panel title={t("devices.grantedTo")} actions={ask} flush className="xl:col-span-2">
        <Pages<GrantRecord>
          path={`clients/${part(client)}/grants`}
          id={(entry) => entry.topic}
          empty={
            <Empty small icon={ShieldQuestion} title={t("devices.noGrants")}>
              {t("devices.noGrantsText")}
            </Empty>
          }
          line={({ topic, grant }) => (
            <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
              <span className="min-w-0 flex-1 basis-56">
                <TopicLink topic={topic} />
              </span>
              <TermsLine terms={grant} />
              <GrantState grant={grant} />
            </div>
          )}
        />
      </Panel>
      <Panel title={t("devices.filtersTo")} flush>
        <Pages<WideGrant>
          path={`clients/${part(client)}/filters`}
          id={(entry) => `${entry.granter} ${entry.filter}`}
          empty={<p className="px-4 py-3 text-ink-3">{t("ui.none")}</p>}
          line={(wide) => <Wide wide={wide} who={wide.granter} />}
        />
      </Panel>
      <Panel title={t("devices.filtersBy")} flush>
        <FiltersBy granter={client} />
      </Panel>
    </div>
  );
}

function Wide({ wide, who }: { wide: WideGrant; who: string }) {
  return (
    <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
      <code className="id-text break-all">{wide.filter}</code>
      {who.includes(".") ? <ClientLink client={who} /> : who}
      <TermsLine terms={wide.grant} />
      <GrantState grant={wide.grant} />
    </div>
  );
}

function FiltersBy({ granter }: { granter: string }) {
  const { t } = useTranslation();
  const query = useQuery(ledgerQuery<WideGrant[]>(`clients/${part(granter)}/granted-filters`));
  return (
    <Loaded query={query} lines={2} small>
      {({ value }) =>
        value.length === 0 ? (
          <p className="px-4 py-3 text-ink-3">{t("ui.none")}</p>
        ) : (
          <ul className="divide-y divide-line/70">
            {value.map((wide) => (
              <li key={`${wide.filter} ${wide.grantee}`} className="px-4 py-2.5">
                <Wide wide={wide} who={wide.grantee} />
              </li>
            ))}
          </ul>
        )
      }
    </Loaded>
  );
}

export function ClientReadings({ view }: { view: Schemas["DeviceView"] }) {
  const { t } = useTranslation();
  const filled = view.topics.filter((topic) => topic.newest);
  return (
    <Panel title={t("devices.packages")} note={t("devices.contentHint")} flush>
      {filled.length === 0 ? (
        <Empty small icon={FileCheck2} title={t("devices.noReadings")}>
          {t("devices.noReadingsText")}
        </Empty>
      ) : (
        <ul className="divide-y divide-line/70">
          {filled.map(({ topic, mode, newest }) => (
            <li key={topic} className="flex flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2.5">
              <span className="min-w-0 flex-1 basis-56">
                <Link to="/records" search={{ topic }} className="break-all link">
                  {topic}
                </Link>
              </span>
              <ModeBadge mode={mode} />
              {newest && (
                <>
                  <span>{t("devices.readingsLine", { count: newest.count })}</span>
                  <span className="text-[0.9rem] text-ink-3">
                    <Time ms={newest.to_ms} ago />
                  </span>
                  <Link
                    to="/records/$packageId"
                    params={{ packageId: newest.package }}
                    search={{ topic }}
                    className={buttonClass("secondary", true)}
                  >
                    {t("records.open")}
                  </Link>
                  <span className="text-[0.9rem] text-ink-3">
                    <HeightLink height={newest.height} />
                  </span>
                </>
              )}
            </li>
          ))}
        </ul>
      )}
    </Panel>
  );
}
