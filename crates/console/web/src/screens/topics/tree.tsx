// Topics as a tree: organisation, client, and the levels below. What is closed isn't asked for; of what is
// open only the lines in sight are in the document.
import { useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { ChevronRight, Search } from "lucide-react";
import { type KeyboardEvent, useEffect, useMemo, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { flat, ledgerPages, type NamedTopic, part } from "@/api/ledger";
import { useSession } from "@/api/session";
import { cx } from "@/lib/cx";
import { TextField } from "@/ui/field";
import { Failed, Loading } from "@/ui/states";

export interface Node {
  /** The levels down to here. */
  path: string;
  name: string;
  children: Node[];
  topic: NamedTopic | undefined;
}

/** Topics of an organisation as a tree of their levels, in the order of their names. */
export function grow(topics: NamedTopic[]): Node[] {
  const roots: Node[] = [];
  const known = new Map<string, Node>();
  for (const topic of topics) {
    let siblings = roots;
    let path = "";
    for (const name of topic.name.split("/")) {
      path = path ? `${path}/${name}` : name;
      let node = known.get(path);
      if (!node) {
        node = { path, name, children: [], topic: undefined };
        known.set(path, node);
        siblings.push(node);
      }
      siblings = node.children;
      if (path === topic.name) node.topic = topic;
    }
  }
  return roots;
}

export interface Line {
  node: Node;
  depth: number;
  open: boolean;
}

/** The lines of a tree of which some nodes are open. */
export function linesOf(nodes: Node[], open: Set<string>, depth = 0): Line[] {
  return nodes.flatMap((node) => {
    const isOpen = open.has(node.path);
    return [{ node, depth, open: isOpen }, ...(isOpen ? linesOf(node.children, open, depth + 1) : [])];
  });
}

/** Height of a line, in pixels. */
const LINE_PX = 30;
/** Topics asked for at a time: as many as a node gives. */
const PAGE = 1000;

export function TopicTree({ chosen }: { chosen: string | undefined }) {
  const { t } = useTranslation();
  const { console } = useSession();
  const [find, setFind] = useState("");
  const [open, setOpen] = useState(() => new Set(ancestors(chosen ?? console.org, console.org)));
  useEffect(() => {
    if (chosen) setOpen((now) => new Set([...now, ...ancestors(chosen, "")]));
  }, [chosen]);
  const toggle = (path: string) =>
    setOpen((now) => {
      const next = new Set(now);
      if (!next.delete(path)) next.add(path);
      return next;
    });
  return (
    <div className="flex min-h-0 flex-col">
      <div className="border-b border-line p-3">
        <TextField
          label={t("topics.searchLabel")}
          hideLabel
          icon={<Search aria-hidden />}
          placeholder={t("topics.searchPlaceholder")}
          type="search"
          value={find}
          onChange={(event) => setFind(event.target.value)}
        />
      </div>
      <nav aria-label={t("topics.tree")} className="min-h-0 flex-1 overflow-y-auto py-1.5">
        {console.organisations.map((org) => (
          <Organisation
            key={org}
            org={org}
            open={open}
            toggle={toggle}
            chosen={chosen}
            find={find.trim().toLowerCase()}
          />
        ))}
      </nav>
    </div>
  );
}

function ancestors(topic: string, fallback: string): string[] {
  const levels = topic.split("/");
  return [...levels.map((_, at) => levels.slice(0, at + 1).join("/")), fallback].filter(Boolean);
}

interface OrganisationProps {
  org: string;
  open: Set<string>;
  toggle: (path: string) => void;
  chosen: string | undefined;
  find: string;
}

function Organisation({ org, open, toggle, chosen, find }: OrganisationProps) {
  const { t } = useTranslation();
  const shown = open.has(org) || find !== "";
  const query = useInfiniteQuery({
    ...ledgerPages<NamedTopic>(`organisations/${part(org)}/topics`, { limit: PAGE }),
    enabled: shown,
  });
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  useEffect(() => {
    if (shown && hasNextPage && !isFetchingNextPage) void fetchNextPage();
  }, [shown, hasNextPage, isFetchingNextPage, fetchNextPage]);
  const topics = useMemo(() => flat(query.data), [query.data]);
  const lines = useMemo((): Line[] => {
    if (find) {
      return topics
        .filter((topic) => topic.name.toLowerCase().includes(find))
        .map((topic) => ({
          node: { path: topic.name, name: topic.name, children: [], topic },
          depth: 0,
          open: false,
        }));
    }
    return linesOf(grow(topics)[0]?.children ?? [], open);
  }, [topics, open, find]);
  return (
    <div>
      <button
        type="button"
        aria-expanded={shown}
        onClick={() => toggle(org)}
        className="flex h-8 w-full items-center gap-1.5 px-3 text-start font-medium hover:bg-sunken"
      >
        <ChevronRight
          className={cx("size-3.5 text-ink-3 transition-transform", shown && "rotate-90")}
          aria-hidden
        />
        {org}
        {query.data && <span className="ms-auto text-[0.85rem] font-normal text-ink-3">{topics.length}</span>}
      </button>
      {shown && query.error && !query.data && (
        <Failed error={query.error} retry={() => void query.refetch()} small />
      )}
      {shown && query.isPending && <Loading lines={2} />}
      {shown && query.data && lines.length === 0 && (
        <p className="py-1 ps-8 text-[0.9rem] text-ink-3">
          {find ? t("topics.noMatch") : t("topics.treeNone")}
        </p>
      )}
      {shown && lines.length > 0 && <Lines label={org} lines={lines} toggle={toggle} chosen={chosen} />}
    </div>
  );
}

/** Lines beyond which only those in sight are drawn. */
const PLAIN_MAX = 400;

function Lines({
  label,
  lines,
  toggle,
  chosen,
}: {
  label: string;
  lines: Line[];
  toggle: (path: string) => void;
  chosen: string | undefined;
}) {
  const box = useRef<HTMLDivElement>(null);
  const virtual = useVirtualizer({
    count: lines.length,
    getScrollElement: () => box.current,
    estimateSize: () => LINE_PX,
    overscan: 20,
    enabled: lines.length > PLAIN_MAX,
  });
  const navigate = useNavigate();
  const [at, setAt] = useState(0);
  const choose = (line: Line) => {
    if (line.node.topic) void navigate({ to: "/topics", search: { topic: line.node.path } });
    if (line.node.children.length > 0 && (!line.node.topic || !line.open)) toggle(line.node.path);
  };
  const keys = (event: KeyboardEvent) => {
    const line = lines[at];
    const move = (to: number) => {
      const next = Math.max(0, Math.min(lines.length - 1, to));
      setAt(next);
      box.current?.querySelector<HTMLElement>(`[data-at="${next}"]`)?.focus();
    };
    if (event.key === "ArrowDown") move(at + 1);
    else if (event.key === "ArrowUp") move(at - 1);
    else if (event.key === "ArrowRight" && line && line.node.children.length > 0 && !line.open)
      toggle(line.node.path);
    else if (event.key === "ArrowLeft" && line?.open) toggle(line.node.path);
    else if ((event.key === "Enter" || event.key === " ") && line) choose(line);
    else return;
    event.preventDefault();
  };
  const draw = (line: Line, index: number, style?: React.CSSProperties) => {
    const branch = line.node.children.length > 0;
    const selected = line.node.path === chosen && Boolean(line.node.topic);
    return (
      // biome-ignore lint/a11y/useKeyWithClickEvents: the tree has the keyboard
      <div
        key={line.node.path}
        data-at={index}
        role="treeitem"
        tabIndex={index === Math.min(at, lines.length - 1) ? 0 : -1}
        aria-level={line.depth + 1}
        aria-expanded={branch ? line.open : undefined}
        aria-selected={selected}
        onFocus={() => setAt(index)}
        onClick={() => choose(line)}
        style={{ ...style, paddingInlineStart: `${1.6 + line.depth * 0.9}rem`, height: LINE_PX }}
        className={cx(
          "flex w-full cursor-pointer items-center gap-1.5 pe-3 outline-offset-[-2px]",
          selected ? "bg-indigo-soft font-medium text-indigo" : "hover:bg-sunken",
          !line.node.topic && "text-ink-2",
        )}
      >
        {branch ? (
          <ChevronRight
            className={cx("size-3.5 shrink-0 text-ink-3 transition-transform", line.open && "rotate-90")}
            aria-hidden
          />
        ) : (
          <span className="w-3.5 shrink-0" />
        )}
        <span className="truncate">{line.node.name}</span>
        {line.node.topic?.topic.closed && <span className="text-[0.82rem] text-ink-3 line-through">·</span>}
      </div>
    );
  };
  if (lines.length <= PLAIN_MAX)
    return (
      <div ref={box} role="tree" aria-label={label} onKeyDown={keys}>
        {lines.map((line, index) => draw(line, index))}
      </div>
    );
  return (
    <div ref={box} className="max-h-[60dvh] overflow-y-auto">
      <div
        role="tree"
        aria-label={label}
        onKeyDown={keys}
        className="relative"
        style={{ height: virtual.getTotalSize() }}
      >
        {virtual.getVirtualItems().map((item) => {
          const line = lines[item.index];
          return line && draw(line, item.index, { position: "absolute", insetInline: 0, top: item.start });
        })}
      </div>
    </div>
  );
}
