// One block: who made it, who signed it, what is in it.
import { useInfiniteQuery } from "@tanstack/react-query";
import { Link, useParams } from "@tanstack/react-router";
import { Blocks, ChevronLeft, ChevronRight, CircleHelp } from "lucide-react";
import { useTranslation } from "react-i18next";
import { api, ok } from "@/api/client";
import { useLive } from "@/api/live";
import { Problem } from "@/api/problem";
import { useSession } from "@/api/session";
import * as format from "@/lib/format";
import { TransactionLine } from "@/parts/say";
import { Button, buttonClass } from "@/ui/button";
import { Facts, PageHead, Panel } from "@/ui/panel";
import { Empty, Loaded } from "@/ui/states";
import { Badge } from "@/ui/status";
import { Id, Time } from "@/ui/value";

export function Block() {
  const { t, i18n } = useTranslation();
  const { height: text } = useParams({ from: "/inside/ledger/blocks/$height" });
  const height = Number(text);
  const newest = useLive().block?.height;
  const query = useInfiniteQuery({
    queryKey: ["block", height],
    queryFn: ({ signal, pageParam }) =>
      ok(
        api.GET("/api/blocks/{height}", { params: { path: { height }, query: { from: pageParam } }, signal }),
      ),
    initialPageParam: 0,
    getNextPageParam: (last) => last.next ?? undefined,
    enabled: Number.isSafeInteger(height) && height > 0,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const missing = query.error instanceof Problem && query.error.status === 404;
  const near = (to: number, icon: React.ReactNode, name: string) => (
    <Link
      to="/ledger/blocks/$height"
      params={{ height: String(to) }}
      className={buttonClass("secondary", true)}
    >
      {icon}
      {name}
    </Link>
  );
  return (
    <>
      <PageHead
        above={
          <Link to="/ledger" className="hover:underline">
            {t("shell.nav.ledger")}
          </Link>
        }
        title={t("ledger.blockAt", { height: format.number(height, i18n.language) })}
        actions={
          <>
            {height > 1 && near(height - 1, <ChevronLeft aria-hidden />, t("ledger.previous"))}
            {(newest === undefined || height < newest) &&
              near(height + 1, <ChevronRight aria-hidden />, t("ledger.next"))}
          </>
        }
      />
      {missing ? (
        <Panel>
          <Empty icon={CircleHelp} title={t("ledger.noBlock", { height })}>
            {newest !== undefined &&
              t("ledger.noBlockText", { newest: format.number(newest, i18n.language) })}
          </Empty>
        </Panel>
      ) : (
        <Loaded query={query} lines={8}>
          {({ pages }) => (
            <Content
              pages={pages}
              more={query.hasNextPage ? query.fetchNextPage : undefined}
              busy={query.isFetchingNextPage}
            />
          )}
        </Loaded>
      )}
    </>
  );
}

type Page = Awaited<ReturnType<typeof fetchBlock>>;
const fetchBlock = (height: number) => ok(api.GET("/api/blocks/{height}", { params: { path: { height } } }));

function Content({ pages, more, busy }: { pages: Page[]; more?: () => unknown; busy: boolean }) {
  const { t, i18n } = useTranslation();
  const { console } = useSession();
  const block = pages[0];
  if (!block) return null;
  const items = pages.flatMap((page) => page.items);
  return (
    <div className="grid gap-4 xl:grid-cols-[minmax(0,2fr)_minmax(22rem,1fr)]">
      <Panel
        title={t("ledger.transactions")}
        note={format.number(block.transactions, i18n.language)}
        flush
        className="self-start"
      >
        {items.length === 0 ? (
          <Empty small icon={Blocks} title={t("ledger.empty")}>
            {t("ledger.emptyText")}
          </Empty>
        ) : (
          <ol>
            {items.map((view) => (
              <li key={view.id} className="border-b border-line/70 px-4 py-3 last:border-0">
                <TransactionLine view={view} />
              </li>
            ))}
          </ol>
        )}
        {more && (
          <div className="p-4">
            <Button busy={busy} onClick={() => void more()}>
              {t("ledger.more")}
            </Button>
          </div>
        )}
      </Panel>
      <Panel title={t("ledger.block")} className="self-start">
        <Facts
          items={[
            [t("ledger.time"), <Time key="t" ms={block.time_ms} />],
            [t("ledger.proposer"), block.proposer ?? t("ledger.proposerUnknown")],
            [
              t("ledger.signedBy"),
              block.signed_by ? (
                <span key="s" className="flex flex-wrap gap-1">
                  {console.organisations.map((org) => (
                    <Badge key={org} tone={block.signed_by?.includes(org) ? "good" : "quiet"} icon>
                      {org}
                    </Badge>
                  ))}
                </span>
              ) : (
                t("ledger.signedLater")
              ),
            ],
            [t("ledger.size"), format.bytes(block.bytes, i18n.language)],
            [t("ledger.epochView"), `${block.epoch}, ${block.view}`],
            [t("ledger.digest"), <Id key="d" id={block.digest} />],
            [t("ledger.parent"), <Id key="p" id={block.parent} />],
            [t("ledger.stateRoot"), <Id key="r" id={block.state_root} />],
            [t("ledger.transactionsRoot"), <Id key="x" id={block.transactions_root} />],
          ]}
        />
      </Panel>
    </div>
  );
}
