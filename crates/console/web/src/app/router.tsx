// Addresses. Each screen is a file of its own that is loaded when somebody goes there.
import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import { sessionQuery } from "@/api/session";
import { count, oneOf, text, tidy } from "@/lib/params";
import { Loading } from "@/ui/states";
import { Broken, NotFound } from "./lost";
import { Shell } from "./shell";

type Raw = Record<string, unknown>;

const root = createRootRouteWithContext<{ queries: QueryClient }>()({ notFoundComponent: NotFound });

const signIn = createRoute({
  getParentRoute: () => root,
  path: "/sign-in",
  validateSearch: (raw: Raw): { to?: string; ended?: boolean } =>
    tidy({ to: inner(text(raw, "to")), ended: raw.ended === true || undefined }),
  component: lazyRouteComponent(() => import("@/screens/sign-in/sign-in"), "SignIn"),
});

/** Only addresses of this console: nobody is sent elsewhere by a link. */
function inner(to: string | undefined): string | undefined {
  return to?.startsWith("/") && !to.startsWith("//") && !to.startsWith("/\\") ? to : undefined;
}

const inside = createRoute({
  getParentRoute: () => root,
  id: "inside",
  component: Shell,
  async beforeLoad({ context, location }) {
    const session = await context.queries.ensureQueryData(sessionQuery);
    if (!session.user)
      throw redirect({ to: "/sign-in", search: location.href === "/" ? {} : { to: location.href } });
  },
});

const overview = createRoute({
  getParentRoute: () => inside,
  path: "/",
  component: lazyRouteComponent(() => import("@/screens/overview/overview"), "Overview"),
});

const DEVICE_TABS = ["about", "connections", "topics", "rights", "readings"] as const;

const devices = createRoute({
  getParentRoute: () => inside,
  path: "/devices",
  validateSearch: (raw: Raw) =>
    tidy({
      search: text(raw, "search"),
      org: text(raw, "org"),
      role: text(raw, "role"),
      status: text(raw, "status"),
      online: oneOf(raw, "online", ["yes", "no"] as const),
      sort: oneOf(raw, "sort", ["name", "seen", "registered", "expires"] as const),
      enrol: oneOf(raw, "enrol", ["one", "codes"] as const),
    }),
  component: lazyRouteComponent(() => import("@/screens/devices/devices"), "Devices"),
});

const device = createRoute({
  getParentRoute: () => inside,
  path: "/devices/$client",
  validateSearch: (raw: Raw) => tidy({ tab: oneOf(raw, "tab", DEVICE_TABS), kind: text(raw, "kind") }),
  component: lazyRouteComponent(() => import("@/screens/devices/device"), "Device"),
});

const TOPIC_TABS = ["topic", "requests", "keys", "simulate"] as const;

const topics = createRoute({
  getParentRoute: () => inside,
  path: "/topics",
  validateSearch: (raw: Raw) =>
    tidy({
      topic: text(raw, "topic"),
      tab: oneOf(raw, "tab", TOPIC_TABS),
      client: text(raw, "client"),
      action: text(raw, "action"),
    }),
  component: lazyRouteComponent(() => import("@/screens/topics/topics"), "Topics"),
});

const records = createRoute({
  getParentRoute: () => inside,
  path: "/records",
  validateSearch: (raw: Raw) =>
    tidy({ topic: text(raw, "topic"), from: count(raw, "from"), to: count(raw, "to") }),
  component: lazyRouteComponent(() => import("@/screens/records/records"), "Records"),
});

const record = createRoute({
  getParentRoute: () => inside,
  path: "/records/$packageId",
  validateSearch: (raw: Raw) => tidy({ index: count(raw, "index"), topic: text(raw, "topic") }),
  component: lazyRouteComponent(() => import("@/screens/records/record"), "Record"),
});

const compute = createRoute({
  getParentRoute: () => inside,
  path: "/compute",
  validateSearch: (raw: Raw) =>
    tidy({
      tab: oneOf(raw, "tab", ["keys", "jobs", "evaluations", "open"] as const),
      owner: text(raw, "owner"),
      topic: text(raw, "topic"),
      key: text(raw, "key"),
      id: text(raw, "id"),
      as: text(raw, "as"),
      gateway: text(raw, "gateway"),
      job: text(raw, "job"),
    }),
  component: lazyRouteComponent(() => import("@/screens/compute/compute"), "Compute"),
});

const ledger = createRoute({
  getParentRoute: () => inside,
  path: "/ledger",
  validateSearch: (raw: Raw) =>
    tidy({ tab: oneOf(raw, "tab", ["blocks", "state"] as const), key: text(raw, "key") }),
  component: lazyRouteComponent(() => import("@/screens/ledger/ledger"), "Ledger"),
});

const block = createRoute({
  getParentRoute: () => inside,
  path: "/ledger/blocks/$height",
  validateSearch: (raw: Raw) => tidy({ tx: text(raw, "tx") }),
  component: lazyRouteComponent(() => import("@/screens/ledger/block"), "Block"),
});

const transaction = createRoute({
  getParentRoute: () => inside,
  path: "/ledger/transactions/$id",
  component: lazyRouteComponent(() => import("@/screens/ledger/transaction"), "Transaction"),
});

const governance = createRoute({
  getParentRoute: () => inside,
  path: "/governance",
  component: lazyRouteComponent(() => import("@/screens/governance/governance"), "Governance"),
});

const audit = createRoute({
  getParentRoute: () => inside,
  path: "/audit",
  validateSearch: (raw: Raw) =>
    tidy({
      client: text(raw, "client"),
      gateway: text(raw, "gateway"),
      kind: text(raw, "kind"),
      address: text(raw, "address"),
      from: count(raw, "from"),
      to: count(raw, "to"),
    }),
  component: lazyRouteComponent(() => import("@/screens/audit/audit"), "Audit"),
});

const tryIt = createRoute({
  getParentRoute: () => inside,
  path: "/try-it",
  validateSearch: (raw: Raw) => tidy({ client: text(raw, "client"), topic: text(raw, "topic") }),
  component: lazyRouteComponent(() => import("@/screens/try-it/try-it"), "TryIt"),
});

const tree = root.addChildren([
  signIn,
  inside.addChildren([
    overview,
    devices,
    device,
    topics,
    records,
    record,
    compute,
    ledger,
    block,
    transaction,
    governance,
    audit,
    tryIt,
  ]),
]);

export function makeRouter(queries: QueryClient) {
  return createRouter({
    routeTree: tree,
    context: { queries },
    defaultPreload: "intent",
    defaultPendingComponent: () => <Loading lines={6} />,
    defaultErrorComponent: Broken,
    defaultNotFoundComponent: NotFound,
    scrollRestoration: true,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
