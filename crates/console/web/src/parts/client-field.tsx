// A client's id, typed with the help of those that exist.
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { type ReactNode, useDeferredValue, useId } from "react";
import { api, ok } from "@/api/client";
import { TextField } from "@/ui/field";

/** Ids offered while one types. */
const OFFERED = 20;

export function ClientField(props: {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
  value: string;
  onChange: (client: string) => void;
  role?: "device" | "user";
  className?: string;
}) {
  const id = useId();
  const search = useDeferredValue(props.value.trim());
  const query = useQuery({
    queryKey: ["devices", "offered", search, props.role],
    queryFn: ({ signal }) =>
      ok(
        api.GET("/api/devices", {
          params: { query: { search, role: props.role, status: "live", limit: OFFERED } },
          signal,
        }),
      ),
    placeholderData: keepPreviousData,
  });
  const clients = (query.data?.items ?? []).filter((row) => row.role === "device" || row.role === "user");
  return (
    <>
      <TextField
        label={props.label}
        hint={props.hint}
        error={props.error}
        className={props.className}
        list={id}
        value={props.value}
        onChange={(event) => props.onChange(event.target.value)}
      />
      <datalist id={id}>
        {clients.map((row) => (
          <option key={row.client} value={row.client} />
        ))}
      </datalist>
    </>
  );
}
