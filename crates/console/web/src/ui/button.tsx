// What is pressed. `busy` keeps the place and says so to screen readers.
import { LoaderCircle } from "lucide-react";
import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import { cx } from "@/lib/cx";
import { Tip } from "./tip";

type Kind = "primary" | "secondary" | "ghost" | "danger";

const KINDS: Record<Kind, string> = {
  primary: "bg-indigo-solid text-white hover:bg-indigo-solid-hover border-transparent",
  secondary: "bg-surface text-ink border-line hover:border-edge hover:bg-sunken",
  ghost: "bg-transparent text-ink-2 border-transparent hover:bg-sunken hover:text-ink",
  danger: "bg-cinnabar-solid text-white border-transparent hover:brightness-90",
};

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  kind?: Kind;
  small?: boolean;
  busy?: boolean;
  icon?: ReactNode;
  ref?: Ref<HTMLButtonElement>;
}

export function buttonClass(kind: Kind = "secondary", small = false): string {
  return cx(
    "inline-flex items-center justify-center gap-1.5 rounded-md border font-medium whitespace-nowrap transition-colors select-none",
    "disabled:opacity-55 disabled:cursor-not-allowed [&_svg]:size-4 [&_svg]:shrink-0",
    small ? "h-7 px-2 text-[0.86rem]" : "h-9 px-3.5 text-[0.93rem]",
    KINDS[kind],
  );
}

export function Button({ kind, small, busy, icon, className, children, disabled, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      disabled={disabled || busy}
      aria-busy={busy || undefined}
      className={cx(buttonClass(kind, small), className)}
    >
      {busy ? <LoaderCircle className="animate-spin" aria-hidden /> : icon}
      {children}
    </button>
  );
}

/** A button that shows an icon only; its name is read out and shown on hover. */
export function IconButton({
  name,
  small,
  className,
  children,
  ...rest
}: Omit<ButtonProps, "kind" | "icon"> & { name: string }) {
  return (
    <Tip text={name}>
      <button
        type="button"
        aria-label={name}
        {...rest}
        className={cx(
          "inline-flex items-center justify-center rounded-md text-ink-3 transition-colors hover:bg-sunken hover:text-ink disabled:opacity-50 [&_svg]:size-[1.1rem]",
          small ? "size-[24px] [&_svg]:size-3.5" : "size-9",
          className,
        )}
      >
        {children}
      </button>
    </Tip>
  );
}
