// Surfaces: a page's head, a panel with a head of its own, a list of facts.
import type { ReactNode } from "react";
import { cx } from "@/lib/cx";

export function PageHead(props: {
  title: ReactNode;
  lead?: ReactNode;
  actions?: ReactNode;
  above?: ReactNode;
}) {
  return (
    <header className="mb-5 flex flex-wrap items-start gap-x-6 gap-y-3">
      <div className="min-w-0 flex-1 basis-72">
        {props.above && <div className="mb-1 text-[0.9rem] text-ink-3">{props.above}</div>}
        <h1 className="text-[1.6rem] leading-tight font-semibold tracking-[-0.012em] break-words">
          {props.title}
        </h1>
        {props.lead && <p className="mt-1 max-w-[72ch] text-ink-2">{props.lead}</p>}
      </div>
      {props.actions && <div className="flex flex-wrap items-center gap-2">{props.actions}</div>}
    </header>
  );
}

export function Panel(props: {
  title?: ReactNode;
  note?: ReactNode;
  actions?: ReactNode;
  flush?: boolean;
  className?: string;
  children: ReactNode;
}) {
  return (
    <section className={cx("panel min-w-0", props.className)}>
      {(props.title || props.actions) && (
        <div className="flex flex-wrap items-center gap-x-3 gap-y-1.5 border-b border-line px-4 py-2.5">
          <h2 className="text-[1rem] font-semibold">{props.title}</h2>
          {props.note && <span className="text-[0.88rem] text-ink-3">{props.note}</span>}
          {props.actions && <div className="ms-auto flex items-center gap-1.5">{props.actions}</div>}
        </div>
      )}
      <div className={props.flush ? "" : "p-4"}>{props.children}</div>
    </section>
  );
}

/** Names and values, one below the other; side by side where there is room. */
export function Facts({ items, wide }: { items: ([ReactNode, ReactNode] | false | null)[]; wide?: boolean }) {
  const shown = items.filter((item): item is [ReactNode, ReactNode] => Boolean(item));
  return (
    <dl
      className={cx(
        "grid grid-cols-1 gap-x-6 gap-y-2.5 sm:grid-cols-[minmax(7rem,max-content)_1fr] sm:gap-y-1.5",
        wide && "2xl:grid-cols-[minmax(7rem,max-content)_1fr_minmax(7rem,max-content)_1fr]",
      )}
    >
      {shown.map(([name, value], index) => (
        <div key={index} className="contents">
          <dt className="text-[0.92rem] text-ink-3 max-sm:-mb-2">{name}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** A number that matters, with what it is. */
export function Figure(props: { name: ReactNode; value: ReactNode; unit?: ReactNode; note?: ReactNode }) {
  return (
    <div className="min-w-0">
      <div className="label-caps">{props.name}</div>
      <div className="mt-0.5 text-[1.65rem] leading-tight font-semibold tracking-[-0.015em]">
        {props.value}
        {props.unit && (
          <span className="ms-1 text-[0.95rem] font-normal tracking-normal text-ink-3">{props.unit}</span>
        )}
      </div>
      {props.note && <div className="mt-0.5 text-[0.87rem] text-ink-3">{props.note}</div>}
    </div>
  );
}
