// What this browser verifies against: a genesis file, and the digest of it that the user pinned. The pin is
// kept in this browser; the file may come from the console, because the pin says which file it must be.
import { queryOptions, useQuery } from "@tanstack/react-query";
import { useSyncExternalStore } from "react";
import { hex } from "@/crypto/bytes";
import { chainId, readGenesis } from "@/envelope/genesis";
import { keep, recall } from "@/lib/stored";
import { startVerifier, type Trust } from "@/verify";
import { api, ok } from "./client";

export const verifier = startVerifier();

const listeners = new Set<() => void>();
let pinned = recall("pinned");

export function pin(chain: string | null): void {
  pinned = chain;
  keep("pinned", chain);
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function usePinned(): string | null {
  return useSyncExternalStore(subscribe, () => pinned);
}

export const genesisQuery = queryOptions({
  queryKey: ["genesis"],
  queryFn: ({ signal }) => ok(api.GET("/api/genesis", { signal })),
  staleTime: Number.POSITIVE_INFINITY,
});

/** From what this page verifies; none until the genesis file is there. */
export function useTrust(): Trust | undefined {
  const chain = usePinned();
  const { data } = useQuery(genesisQuery);
  if (!data) return undefined;
  const genesis = new TextEncoder().encode(data.file);
  return chain ? { genesis, pinned: chain } : { genesis };
}

/** The digest of a genesis file, hexadecimal. Throws a `Refusal` when it is none. */
export function digestOf(file: Uint8Array): string {
  return hex(chainId(readGenesis(file)));
}
