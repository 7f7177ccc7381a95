// The frame around every screen: menu, search, how live it is, who is signed in.
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { LogOut, Menu as MenuIcon, Monitor, Moon, Search, Sun, UserRound } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { useLive } from "@/api/live";
import { useSession, useSignOut } from "@/api/session";
import { LANGUAGES, type Language } from "@/i18n";
import { useNow } from "@/lib/clock";
import { cx } from "@/lib/cx";
import * as format from "@/lib/format";
import { choose } from "@/parts/language";
import { Mark } from "@/ui/mark";
import { Menu, MenuHead, MenuItem, MenuLine } from "@/ui/menu";
import { Dot, Note } from "@/ui/status";
import { Tip } from "@/ui/tip";
import { Toasts } from "@/ui/toast";
import { GROUPS, SCREENS } from "./nav";
import { SearchBox } from "./search";
import { chooseTheme, useThemeChoice } from "./theme";

export function Shell() {
  const { t } = useTranslation();
  const [searching, setSearching] = useState(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  useEffect(() => {
    const open = (event: KeyboardEvent) => {
      const typing = (event.target as HTMLElement).closest("input, textarea, [contenteditable]");
      const asked = (event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing);
      if (!asked) return;
      event.preventDefault();
      setSearching(true);
    };
    window.addEventListener("keydown", open);
    return () => window.removeEventListener("keydown", open);
  }, []);
  useTitle(path);
  return (
    <div className="min-h-dvh lg:grid lg:grid-cols-[14.5rem_minmax(0,1fr)]">
      <a
        href="#content"
        className="sr-only focus:not-sr-only focus:fixed focus:start-3 focus:top-3 focus:z-50 focus:rounded-md focus:bg-ink focus:px-3 focus:py-2 focus:text-paper"
      >
        {t("shell.skip")}
      </a>
      <aside className="sticky top-0 hidden h-dvh flex-col overflow-y-auto border-e border-line bg-sunken/55 lg:flex">
        <Brand />
        <Nav />
      </aside>
      <div className="min-w-0">
        <header className="sticky top-0 z-30 flex h-14 items-center gap-1.5 border-b border-line bg-paper/92 px-3 backdrop-blur-sm sm:gap-3 sm:px-6">
          <Drawer path={path} />
          <button
            type="button"
            onClick={() => setSearching(true)}
            className="inline-flex h-9 min-w-0 flex-1 items-center gap-2 rounded-md border border-line bg-surface px-2.5 text-start text-ink-3 hover:border-edge sm:max-w-md"
          >
            <Search className="size-4 shrink-0" aria-hidden />
            <span className="min-w-0 flex-1 truncate text-[0.93rem]">{t("shell.search.placeholder")}</span>
            <kbd className="hidden rounded border border-line px-1.5 text-[0.78rem] sm:block">/</kbd>
          </button>
          <div className="ms-auto flex items-center gap-1 sm:gap-2">
            <LivePill />
            <Account />
          </div>
        </header>
        <main
          id="content"
          tabIndex={-1}
          className="mx-auto w-full max-w-[150rem] px-3 py-5 outline-none sm:px-6 sm:py-7"
        >
          <Standing />
          <Outlet />
        </main>
      </div>
      <SearchBox open={searching} onOpenChange={setSearching} />
      <Toasts />
    </div>
  );
}

function useTitle(path: string): void {
  const { t, i18n } = useTranslation();
  const screen = SCREENS.findLast(({ to }) => path === to || (to !== "/" && path.startsWith(`${to}/`)));
  // biome-ignore lint/correctness/useExhaustiveDependencies: another language, another title
  useEffect(() => {
    const name = screen && t(`shell.nav.${screen.name}`);
    document.title = name ? `${name} · ${t("shell.title")}` : t("shell.title");
  }, [screen, t, i18n.language]);
}

function Brand() {
  const { t } = useTranslation();
  const { console } = useSession();
  return (
    <Link to="/" className="flex items-center gap-2.5 px-4 py-4">
      <Mark size={30} />
      <span className="min-w-0">
        <span className="block leading-tight font-semibold tracking-[-0.01em]">{t("shell.title")}</span>
        <span className="block truncate text-[0.85rem] leading-tight text-ink-3">
          {console.consortium} · {console.org}
        </span>
      </span>
    </Link>
  );
}

function Nav({ onGo }: { onGo?: () => void }) {
  const { t } = useTranslation();
  return (
    <nav aria-label={t("shell.nav.label")} className="flex flex-col gap-4 px-2.5 pb-6">
      {GROUPS.map((group, index) => (
        <div key={index}>
          {group.name && <div className="label-caps px-2.5 pb-1">{t(`shell.nav.${group.name}`)}</div>}
          <ul>
            {group.screens.map(({ to, name, icon: Icon }) => (
              <li key={to}>
                <Link
                  to={to}
                  onClick={onGo}
                  activeOptions={{ exact: to === "/", includeSearch: false }}
                  className="flex items-center gap-2.5 rounded-md border-s-2 border-transparent px-2.5 py-1.5 text-ink-2 hover:bg-line/50 hover:text-ink data-[status=active]:border-cinnabar-solid data-[status=active]:bg-surface data-[status=active]:font-medium data-[status=active]:text-ink data-[status=active]:shadow-panel"
                >
                  <Icon className="size-[1.1rem] shrink-0" strokeWidth={1.75} aria-hidden />
                  {t(`shell.nav.${name}`)}
                </Link>
              </li>
            ))}
          </ul>
        </div>
      ))}
    </nav>
  );
}

function Drawer({ path }: { path: string }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  // biome-ignore lint/correctness/useExhaustiveDependencies: going somewhere closes it
  useEffect(() => setOpen(false), [path]);
  return (
    <Radix.Root open={open} onOpenChange={setOpen}>
      <Radix.Trigger asChild>
        <button
          type="button"
          aria-label={t("shell.openNav")}
          className="-ms-1 flex size-9 items-center justify-center rounded-md hover:bg-sunken lg:hidden"
        >
          <MenuIcon className="size-5" aria-hidden />
        </button>
      </Radix.Trigger>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-black/45" />
        <Radix.Content
          aria-describedby={undefined}
          className="fixed inset-y-0 start-0 z-40 w-64 overflow-y-auto border-e border-line bg-paper shadow-raised outline-none"
        >
          <Radix.Title className="sr-only">{t("shell.nav.label")}</Radix.Title>
          <Brand />
          <Nav onGo={() => setOpen(false)} />
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

function LivePill() {
  const { t, i18n } = useTranslation();
  const live = useLive();
  const now = useNow();
  const tone = live.state === "live" ? "good" : live.state === "away" ? "bad" : "doubt";
  const block = live.block;
  const height = block && t("shell.live.height", { height: format.number(block.height, i18n.language) });
  const age = block && format.relative(block.time_ms, now, i18n.language);
  const tip =
    live.state === "away"
      ? t("shell.live.awayText")
      : age
        ? t("shell.live.heightAge", { age })
        : t("shell.live.connecting");
  return (
    <Tip text={tip}>
      <Link
        to="/ledger"
        className="inline-flex h-9 items-center gap-2 rounded-md px-2 text-[0.9rem] whitespace-nowrap text-ink-2 hover:bg-sunken"
      >
        <Dot tone={tone} live={live.state === "live"} />
        <span className={live.state === "live" ? "sr-only" : ""}>{t(`shell.live.${live.state}`)}</span>
        {height && <span className="max-sm:sr-only">{height}</span>}
      </Link>
    </Tip>
  );
}

function Account() {
  const { t, i18n } = useTranslation();
  const { user, console } = useSession();
  const signOut = useSignOut();
  const theme = useThemeChoice();
  const chosen = <span aria-hidden>●</span>;
  return (
    <Menu
      trigger={
        <button
          type="button"
          aria-label={t("shell.account.label")}
          className="inline-flex h-9 items-center gap-2 rounded-md px-2 text-[0.93rem] hover:bg-sunken"
        >
          <UserRound className="size-[1.1rem] text-ink-3" aria-hidden />
          <span className="hidden max-w-40 truncate md:block">{user?.client}</span>
        </button>
      }
    >
      {user && (
        <MenuHead>
          <span className="block font-medium text-ink">{user.client}</span>
          <span className="block">{t(`shell.account.actsFor.${user.acts_for}`, { org: console.org })}</span>
          <span className="block">
            {t(user.by === "link" ? "shell.account.byLink" : "shell.account.byKey")}
          </span>
        </MenuHead>
      )}
      <MenuLine />
      <MenuHead>{t("shell.account.theme")}</MenuHead>
      <MenuItem icon={<Monitor />} hint={theme === "system" && chosen} onSelect={() => chooseTheme("system")}>
        {t("shell.account.system")}
      </MenuItem>
      <MenuItem icon={<Sun />} hint={theme === "light" && chosen} onSelect={() => chooseTheme("light")}>
        {t("shell.account.light")}
      </MenuItem>
      <MenuItem icon={<Moon />} hint={theme === "dark" && chosen} onSelect={() => chooseTheme("dark")}>
        {t("shell.account.dark")}
      </MenuItem>
      <MenuLine />
      <MenuHead>{t("shell.account.language")}</MenuHead>
      {(Object.keys(LANGUAGES) as Language[]).map((language) => (
        <MenuItem
          key={language}
          hint={i18n.language === language && chosen}
          onSelect={() => choose(language)}
        >
          <span lang={language}>{LANGUAGES[language]}</span>
        </MenuItem>
      ))}
      <MenuLine />
      <MenuItem icon={<LogOut />} onSelect={() => signOut.mutate()}>
        {t("shell.account.signOut")}
      </MenuItem>
    </Menu>
  );
}

/** What everybody has to know before they act: no connection, or nothing that may be changed. */
function Standing() {
  const { t } = useTranslation();
  const { user } = useSession();
  const live = useLive();
  return (
    <div className={cx("flex flex-col gap-2", (live.state === "away" || user?.reads_only_because) && "mb-5")}>
      {live.state === "away" && (
        <Note tone="doubt" role="status" title={t("shell.live.away")}>
          {t("shell.live.awayText")}
        </Note>
      )}
      {user?.reads_only_because && (
        <Note tone="info" title={t("shell.readsOnly")}>
          {user.reads_only_because}
        </Note>
      )}
    </div>
  );
}
