// What people do. After each act everything that was asked before counts as old.
import { queryOptions, useMutation, useQueryClient } from "@tanstack/react-query";
import { api, ok } from "./client";

/** Clients whose keys are at the console and for whom this session may act. */
export const actorsQuery = queryOptions({
  queryKey: ["actors"],
  queryFn: async ({ signal }) =>
    (await ok(api.GET("/api/actors", { signal }))).actors.map((actor) => actor.client),
});

/** An act: sends it, then has every list asked anew. */
export function useAct<Asked, Answered>(
  act: (asked: Asked) => Promise<Answered>,
  then?: (answered: Answered, asked: Asked) => void,
) {
  const queries = useQueryClient();
  return useMutation({
    mutationFn: act,
    async onSuccess(answered, asked) {
      then?.(answered, asked);
      const kept = new Set(["session", "history", "block", "transaction"]);
      await queries.invalidateQueries({ predicate: ({ queryKey }) => !kept.has(String(queryKey[0])) });
    },
  });
}
