// Who is signed in, and at which console.
import { queryOptions, useMutation, useQueryClient, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { api, ok, type Schemas } from "./client";

export type Session = Schemas["SessionView"];

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }) => ok(api.GET("/api/session", { signal })),
  staleTime: 60_000,
});

export function useSession(): Session {
  return useSuspenseQuery(sessionQuery).data;
}

/** Whether this session may act as the organisation's operator. */
export function isOperator(session: Session): boolean {
  return session.user?.acts_for === "organisation";
}

/** Somebody else is signed in now, or nobody: nothing that was asked before counts. */
export function useEnter() {
  const queries = useQueryClient();
  return (session: Session) => {
    queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== sessionQuery.queryKey[0] });
    queries.setQueryData(sessionQuery.queryKey, session);
  };
}

export function useSignOut() {
  const enter = useEnter();
  const navigate = useNavigate();
  return useMutation({
    mutationFn: () => ok(api.DELETE("/api/session")),
    async onSuccess(session) {
      enter(session);
      await navigate({ to: "/sign-in" });
    },
  });
}
