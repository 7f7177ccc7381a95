// Renders a component as a screen would have it: with a router for its links, queries, language, tips.
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import {
  createMemoryHistory,
  createRootRoute,
  createRoute,
  createRouter,
  RouterContextProvider,
} from "@tanstack/react-router";
import { render } from "@testing-library/react";
import i18next from "i18next";
import type { ReactNode } from "react";
import { I18nextProvider } from "react-i18next";
import { TipProvider } from "@/ui/tip";

export async function show(content: ReactNode) {
  const root = createRootRoute();
  const anything = createRoute({ getParentRoute: () => root, path: "$" });
  const router = createRouter({
    routeTree: root.addChildren([anything]),
    history: createMemoryHistory({ initialEntries: ["/"] }),
  });
  await router.load();
  const queries = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  return render(
    <I18nextProvider i18n={i18next}>
      <QueryClientProvider client={queries}>
        <TipProvider>
          <RouterContextProvider router={router as never}>{content}</RouterContextProvider>
        </TipProvider>
      </QueryClientProvider>
    </I18nextProvider>,
  );
}
