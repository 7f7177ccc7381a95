// Sentences with links in them. A text has `[[name]]` where a part goes, and `((…))` around what is said
// only if all the parts in it are there.
import { Fragment, type ReactNode } from "react";

export type Parts = Record<string, ReactNode>;

function given(value: ReactNode): boolean {
  return value !== undefined && value !== null && value !== "" && value !== false;
}

/** Leaves out the optional pieces that lack a part. */
export function chosen(text: string, parts: Parts): string {
  return text.replace(/\(\((.*?)\)\)/g, (_, piece: string) => {
    const names = [...piece.matchAll(/\[\[(\w+)\]\]/g)].map((match) => match[1] ?? "");
    return names.every((name) => given(parts[name])) ? piece : "";
  });
}

export function Sentence({ text, parts }: { text: string; parts: Parts }) {
  const pieces = chosen(text, parts).split(/\[\[(\w+)\]\]/);
  return (
    <>
      {pieces.map((piece, index) => (
        <Fragment key={index}>{index % 2 === 0 ? piece : (parts[piece] ?? "–")}</Fragment>
      ))}
    </>
  );
}
