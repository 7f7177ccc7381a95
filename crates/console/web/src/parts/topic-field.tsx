// A topic, typed with the help of those that are registered.
import { useQueries } from "@tanstack/react-query";
import { type ReactNode, useId } from "react";
import { ledgerQuery, type NamedTopic, part } from "@/api/ledger";
import { useSession } from "@/api/session";
import { TextField } from "@/ui/field";

/** Topics offered of each organisation. */
const OFFERED = 500;

export function TopicField(props: {
  label: ReactNode;
  value: string;
  onChange: (topic: string) => void;
  className?: string;
  hint?: ReactNode;
}) {
  const id = useId();
  const { console } = useSession();
  const topics = useQueries({
    queries: console.organisations.map((org) => ({
      ...ledgerQuery<NamedTopic[]>(`organisations/${part(org)}/topics`, { limit: OFFERED }),
      staleTime: 30_000,
    })),
    combine: (results) => results.flatMap((result) => result.data?.value ?? []),
  });
  return (
    <>
      <TextField
        label={props.label}
        hint={props.hint}
        className={props.className}
        list={id}
        value={props.value}
        onChange={(event) => props.onChange(event.target.value)}
      />
      <datalist id={id}>
        {topics.map(({ name }) => (
          <option key={name} value={name} />
        ))}
      </datalist>
    </>
  );
}
