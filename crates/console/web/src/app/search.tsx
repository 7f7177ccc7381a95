// One box for everything: screens, what can be done, and what the ledger knows by this name or number.
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import {
  BadgeCheck,
  Blocks,
  CornerDownLeft,
  Cpu,
  FileCheck2,
  KeyRound,
  type LucideIcon,
  Receipt,
  Search,
  Sigma,
  TicketCheck,
  Waypoints,
} from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import { type KeyboardEvent, useDeferredValue, useEffect, useId, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { api, ok, type Schemas } from "@/api/client";
import { cx } from "@/lib/cx";
import * as format from "@/lib/format";
import { useOpener } from "@/ui/opener";
import { SCREENS } from "./nav";

type Hit = Schemas["Hit"];

interface Item {
  key: string;
  group: "go" | "do" | "found";
  icon: LucideIcon;
  text: string;
  about?: string;
  open: () => void;
}

const ICONS: Record<Hit["kind"], LucideIcon> = {
  block: Blocks,
  transaction: Receipt,
  client: Cpu,
  topic: Waypoints,
  package: FileCheck2,
  certificate: BadgeCheck,
  enrolment: TicketCheck,
  authorisation: KeyRound,
  "compute-key": Sigma,
  evaluation: Sigma,
};

export function SearchBox(props: { open: boolean; onOpenChange: (open: boolean) => void }) {
  const { t } = useTranslation();
  const giveBack = useOpener(props.open);
  return (
    <Radix.Root open={props.open} onOpenChange={props.onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-black/45" />
        <Radix.Content
          aria-describedby={undefined}
          onCloseAutoFocus={giveBack}
          className="fixed top-[8dvh] left-1/2 z-40 flex max-h-[80dvh] w-[min(96vw,38rem)] -translate-x-1/2 flex-col overflow-hidden rounded-xl border border-line bg-raised shadow-raised outline-none animate-rise"
        >
          <Radix.Title className="sr-only">{t("shell.search.hint")}</Radix.Title>
          <Palette close={() => props.onOpenChange(false)} />
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

function useItems(query: string, close: () => void): { items: Item[]; searching: boolean } {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const wanted = useDeferredValue(query.trim());
  const found = useQuery({
    queryKey: ["search", wanted],
    queryFn: ({ signal }) => ok(api.GET("/api/search", { params: { query: { q: wanted } }, signal })),
    enabled: wanted.length > 0,
    staleTime: 10_000,
  });
  const items = useMemo(() => {
    const go = (there: () => Promise<void>) => () => {
      close();
      void there();
    };
    const typed = query.trim();
    const fits = (text: string) => text.toLowerCase().includes(typed.toLowerCase());
    const screens = SCREENS.map(({ to, name, icon }): Item => {
      return { key: to, group: "go", icon, text: t(`shell.nav.${name}`), open: go(() => navigate({ to })) };
    });
    const acts: Item[] = [
      {
        key: "enrol",
        group: "do",
        icon: Cpu,
        text: t("devices.enrol.title"),
        open: go(() => navigate({ to: "/devices", search: { enrol: "one" } })),
      },
      {
        key: "codes",
        group: "do",
        icon: TicketCheck,
        text: t("devices.codes.title"),
        open: go(() => navigate({ to: "/devices", search: { enrol: "codes" } })),
      },
      {
        key: "simulate",
        group: "do",
        icon: BadgeCheck,
        text: t("topics.tab.simulate"),
        open: go(() => navigate({ to: "/topics", search: { tab: "simulate" } })),
      },
    ];
    // Enter opens what belongs to the words that stand there now, not what an older search found.
    const answers = wanted === typed ? (found.data?.hits ?? []) : [];
    const hits = answers.map((hit): Item => {
      return {
        key: `${hit.kind}:${hit.id}`,
        group: "found",
        icon: ICONS[hit.kind],
        text:
          hit.kind === "block" ? t("shell.live.height", { height: hit.id }) : format.shortId(hit.id, 40, 8),
        about: hit.about && format.shortId(hit.about, 24, 8),
        open: go(() => goTo(navigate, hit)),
      };
    });
    return [...hits, ...[...screens, ...acts].filter((item) => typed === "" || fits(item.text))];
  }, [query, wanted, found.data, navigate, t, close]);
  return { items, searching: found.isFetching };
}

/** Goes where something that was found is shown. */
function goTo(navigate: ReturnType<typeof useNavigate>, { kind, id, about }: Hit): Promise<void> {
  switch (kind) {
    case "block":
      return navigate({ to: "/ledger/blocks/$height", params: { height: id } });
    case "transaction":
      return navigate({ to: "/ledger/transactions/$id", params: { id } });
    case "client":
      return navigate({ to: "/devices/$client", params: { client: id } });
    case "certificate":
    case "enrolment":
      return navigate({ to: "/devices/$client", params: { client: about } });
    case "topic":
      return navigate({ to: "/topics", search: { topic: id } });
    case "package":
      return navigate({ to: "/records/$packageId", params: { packageId: id }, search: { topic: about } });
    case "authorisation":
      return navigate({ to: "/topics", search: { tab: "keys", topic: about } });
    case "compute-key":
      return navigate({ to: "/compute", search: { tab: "keys", owner: about } });
    case "evaluation":
      return navigate({ to: "/compute", search: { tab: "evaluations", id } });
  }
}

function Palette({ close }: { close: () => void }) {
  const { t } = useTranslation();
  const [query, setQuery] = useState("");
  const [at, setAt] = useState(0);
  const list = useRef<HTMLDivElement>(null);
  const id = useId();
  const { items, searching } = useItems(query, close);
  const chosen = Math.min(at, items.length - 1);
  // biome-ignore lint/correctness/useExhaustiveDependencies: other words, the first choice again
  useEffect(() => setAt(0), [query]);
  useEffect(() => {
    list.current?.querySelector(`#${CSS.escape(`${id}-${chosen}`)}`)?.scrollIntoView({ block: "nearest" });
  }, [chosen, id]);
  const keys = (event: KeyboardEvent) => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (step !== 0 && items.length > 0) {
      event.preventDefault();
      setAt((chosen + step + items.length) % items.length);
    }
    if (event.key === "Enter") {
      event.preventDefault();
      items[chosen]?.open();
    }
  };
  return (
    <>
      <div className="flex items-center gap-2.5 border-b border-line px-4">
        <Search className="size-[1.1rem] shrink-0 text-ink-3" aria-hidden />
        <input
          // biome-ignore lint/a11y/noAutofocus: the box was opened to be typed into
          autoFocus
          role="combobox"
          aria-label={t("shell.search.hint")}
          aria-expanded
          aria-controls={`${id}-list`}
          aria-activedescendant={items.length > 0 ? `${id}-${chosen}` : undefined}
          autoComplete="off"
          spellCheck={false}
          value={query}
          onChange={(event) => setQuery(event.target.value)}
          onKeyDown={keys}
          placeholder={t("shell.search.placeholder")}
          className="h-12 min-w-0 flex-1 bg-transparent outline-none"
        />
      </div>
      <div
        ref={list}
        id={`${id}-list`}
        role="listbox"
        aria-label={t("shell.search.found")}
        className="min-h-0 flex-1 overflow-y-auto p-1.5"
      >
        {items.map((item, index) => (
          <div key={item.key} role="presentation">
            {item.group !== items[index - 1]?.group && (
              <div role="presentation" className="label-caps px-2.5 pt-2 pb-1">
                {t(`shell.search.${item.group}`)}
              </div>
            )}
            {/* biome-ignore lint/a11y/useKeyWithClickEvents: the box above has the keyboard */}
            <div
              id={`${id}-${index}`}
              role="option"
              tabIndex={-1}
              aria-selected={index === chosen}
              onClick={item.open}
              onMouseMove={() => setAt(index)}
              className={cx(
                "flex cursor-pointer items-center gap-3 rounded-md px-2.5 py-2",
                index === chosen && "bg-indigo-soft",
              )}
            >
              <item.icon className="size-4 shrink-0 text-ink-3" aria-hidden />
              <span className="min-w-0 truncate">{item.text}</span>
              {item.about && <span className="min-w-0 truncate text-[0.88rem] text-ink-3">{item.about}</span>}
              {index === chosen && (
                <CornerDownLeft className="ms-auto size-3.5 shrink-0 text-ink-3" aria-hidden />
              )}
            </div>
          </div>
        ))}
        {items.length === 0 && (
          <div className="px-4 py-6 text-center">
            <p>
              {searching ? t("shell.search.searching") : t("shell.search.nothing", { query: query.trim() })}
            </p>
            {!searching && <p className="mt-1 text-[0.9rem] text-ink-3">{t("shell.search.nothingHint")}</p>}
          </div>
        )}
      </div>
      <div className="border-t border-line px-4 py-2 text-[0.83rem] text-ink-3">{t("shell.search.keys")}</div>
    </>
  );
}
