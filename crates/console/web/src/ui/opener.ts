import { useRef } from "react";

/**
 * Gives the focus back to where it was when something without a button of its own was opened (by a key, an
 * address, a row): for `onCloseAutoFocus` of Radix's dialogs.
 */
export function useOpener(open: boolean): (event: Event) => void {
  const was = useRef(false);
  const opener = useRef<Element | null>(null);
  // While it is drawn for the first time the focus is still where it was.
  if (open && !was.current) opener.current = document.activeElement;
  was.current = open;
  return (event) => {
    event.preventDefault();
    if (opener.current instanceof HTMLElement && opener.current.isConnected) opener.current.focus();
  };
}
