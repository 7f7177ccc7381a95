// The console's start: language, session, router.
import "./styles.css";
import "./app/theme";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { I18nextProvider } from "react-i18next";
import { whenSignedOut } from "./api/client";
import { Away, Problem } from "./api/problem";
import { sessionQuery } from "./api/session";
import { makeRouter } from "./app/router";
import { startLanguage } from "./i18n";
import { takeLink } from "./screens/sign-in/link";
import { TipProvider } from "./ui/tip";

/** Further tries while the server can't be reached or is busy; what it refused stays refused. */
const TRIES = 2;

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // A console on this machine is there without a network.
      networkMode: "always",
      staleTime: 5_000,
      retry: (tries, error) =>
        tries < TRIES && (error instanceof Away || (error instanceof Problem && error.status === 503)),
      refetchOnWindowFocus: true,
    },
    mutations: { networkMode: "always" },
  },
});

takeLink();
const i18n = await startLanguage();
const router = makeRouter(queries);
whenSignedOut(() => {
  const { pathname, href } = router.state.location;
  // Whoever signed out knows it.
  if (pathname === "/sign-in" || !queries.getQueryData(sessionQuery.queryKey)?.user) return;
  void queries
    .invalidateQueries({ queryKey: sessionQuery.queryKey })
    .then(() => router.navigate({ to: "/sign-in", search: { to: href, ended: true } }));
});

const place = document.getElementById("root");
if (!place) throw new Error("the page has no element 'root'");
createRoot(place).render(
  <StrictMode>
    <I18nextProvider i18n={i18n}>
      <QueryClientProvider client={queries}>
        <TipProvider delayDuration={350}>
          <RouterProvider router={router} />
        </TipProvider>
      </QueryClientProvider>
    </I18nextProvider>
  </StrictMode>,
);
