// Parts of a page. Which one is open stands in the address, so that it can be linked to.
import { Tabs as Radix } from "radix-ui";
import type { ReactNode } from "react";

export interface Tab<T extends string> {
  value: T;
  text: ReactNode;
  count?: number;
  content: ReactNode;
}

export function Tabs<T extends string>(props: {
  value: T;
  onChange: (value: T) => void;
  tabs: Tab<T>[];
  label: string;
}) {
  return (
    <Radix.Root value={props.value} onValueChange={(value) => props.onChange(value as T)}>
      <Radix.List
        aria-label={props.label}
        className="mb-4 flex gap-5 overflow-x-auto overflow-y-hidden border-b border-line [scrollbar-width:none]"
      >
        {props.tabs.map(({ value, text, count }) => (
          <Radix.Trigger
            key={value}
            value={value}
            className="-mb-px border-b-2 border-transparent pt-1 pb-2 text-[0.97rem] whitespace-nowrap text-ink-2 outline-offset-[-2px] hover:text-ink data-[state=active]:border-indigo data-[state=active]:font-medium data-[state=active]:text-ink"
          >
            {text}
            {count !== undefined && <span className="ms-1.5 text-[0.85rem] text-ink-3">{count}</span>}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {props.tabs.map(({ value, content }) => (
        <Radix.Content key={value} value={value} className="outline-none" tabIndex={-1}>
          {content}
        </Radix.Content>
      ))}
    </Radix.Root>
  );
}
