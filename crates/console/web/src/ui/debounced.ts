import { useEffect, useState } from "react";

/** How long typing must rest before its text counts, in milliseconds. */
const REST_MS = 250;

/** A text that is typed here and counts elsewhere once typing rests. */
export function useTyped(value: string, onRest: (text: string) => void): [string, (text: string) => void] {
  const [text, setText] = useState(value);
  const [sent, setSent] = useState(value);
  if (value !== sent) {
    setSent(value);
    setText(value);
  }
  useEffect(() => {
    if (text === sent) return;
    const timer = setTimeout(() => {
      setSent(text);
      onRest(text);
    }, REST_MS);
    return () => clearTimeout(timer);
  }, [text, sent, onRest]);
  return [text, setText];
}
