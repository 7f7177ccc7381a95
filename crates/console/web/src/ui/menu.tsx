// A menu behind a button.
import { DropdownMenu } from "radix-ui";
import type { ReactNode } from "react";
import { cx } from "@/lib/cx";

export function Menu({ trigger, children }: { trigger: ReactNode; children: ReactNode }) {
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger asChild>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          align="end"
          sideOffset={6}
          collisionPadding={8}
          className="z-50 max-w-[calc(100vw-1rem)] min-w-52 rounded-lg border border-line bg-raised p-1 shadow-raised animate-rise"
        >
          {children}
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

export function MenuItem(props: {
  onSelect: () => void;
  icon?: ReactNode;
  danger?: boolean;
  children: ReactNode;
  hint?: ReactNode;
}) {
  return (
    <DropdownMenu.Item
      onSelect={props.onSelect}
      className={cx(
        "flex cursor-default items-center gap-2.5 rounded-md px-2.5 py-1.5 text-[0.95rem] outline-none data-[highlighted]:bg-indigo-soft [&_svg]:size-4 [&_svg]:text-ink-3",
        props.danger && "text-cinnabar data-[highlighted]:bg-cinnabar-soft [&_svg]:text-cinnabar",
      )}
    >
      {props.icon}
      <span className="flex-1">{props.children}</span>
      {props.hint && <span className="text-[0.85rem] text-ink-3">{props.hint}</span>}
    </DropdownMenu.Item>
  );
}

export function MenuHead({ children }: { children: ReactNode }) {
  return (
    <DropdownMenu.Label className="px-2.5 py-1.5 text-[0.88rem] text-ink-3">{children}</DropdownMenu.Label>
  );
}

export function MenuLine() {
  return <DropdownMenu.Separator className="my-1 h-px bg-line" />;
}
