// Dialogs: in the middle, or as a sheet from the side.
import { X } from "lucide-react";
import { Dialog as Radix } from "radix-ui";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { cx } from "@/lib/cx";
import { IconButton } from "./button";
import { useOpener } from "./opener";

interface DialogProps {
  open: boolean;
  onOpenChange: (open: boolean) => void;
  title: ReactNode;
  lead?: ReactNode;
  side?: boolean;
  wide?: boolean;
  footer?: ReactNode;
  children: ReactNode;
}

export function Dialog({ open, onOpenChange, title, lead, side, wide, footer, children }: DialogProps) {
  const { t } = useTranslation();
  const giveBack = useOpener(open);
  return (
    <Radix.Root open={open} onOpenChange={onOpenChange}>
      <Radix.Portal>
        <Radix.Overlay className="fixed inset-0 z-40 bg-black/45" />
        <Radix.Content
          {...(lead ? {} : { "aria-describedby": undefined })}
          onCloseAutoFocus={giveBack}
          onOpenAutoFocus={(event) => {
            // What is to be typed comes first, not the button that closes. Where there is nothing to type the
            // dialog itself has the focus: a button's tip would take the first Escape.
            event.preventDefault();
            const content = event.currentTarget as HTMLElement;
            const field = content.querySelector<HTMLElement>("[data-body] :is(input, textarea, select)");
            (field ?? content).focus();
          }}
          className={cx(
            "fixed z-40 flex flex-col bg-surface shadow-raised outline-none animate-rise",
            side
              ? "inset-y-0 end-0 w-[min(100vw,34rem)] border-s border-line"
              : cx(
                  "top-1/2 left-1/2 max-h-[92dvh] -translate-x-1/2 -translate-y-1/2 rounded-xl border border-line",
                  wide ? "w-[min(96vw,56rem)]" : "w-[min(96vw,34rem)]",
                ),
          )}
        >
          <div className="flex items-start gap-3 border-b border-line px-5 py-3.5">
            <div className="min-w-0 flex-1">
              <Radix.Title className="text-[1.12rem] leading-snug font-semibold">{title}</Radix.Title>
              {lead && (
                <Radix.Description className="mt-0.5 text-[0.95rem] text-ink-2">{lead}</Radix.Description>
              )}
            </div>
            <Radix.Close asChild>
              <IconButton name={t("ui.close")} className="-me-2 -mt-1">
                <X aria-hidden />
              </IconButton>
            </Radix.Close>
          </div>
          <div data-body className="min-h-0 flex-1 overflow-y-auto px-5 py-4">
            {children}
          </div>
          {footer && (
            <div className="flex flex-wrap justify-end gap-2 border-t border-line px-5 py-3">{footer}</div>
          )}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}
