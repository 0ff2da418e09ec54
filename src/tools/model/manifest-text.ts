/** The manifest as text: one line an element of a list of objects, so that differences between versions stay readable. */
import type { Manifest } from '../../bundle/manifest';

/** A manifest as it stands on disk; fields that this version does not know are kept. */
export type ManifestDocument = Manifest & Readonly<Record<string, unknown>>;

/** JSON with a newline at its end. */
export function manifestText(manifest: Manifest): string {
  const lines = Object.entries(manifest).map(([key, value]: [string, unknown]) => {
    const first: unknown = Array.isArray(value) ? value[0] : undefined;
    if (typeof first !== 'object' || first === null) return `  ${JSON.stringify(key)}: ${spaced(value)}`;
    const body = (value as unknown[]).map((entry) => `    ${spaced(entry)}`).join(',\n');
    return `  ${JSON.stringify(key)}: [\n${body}\n  ]`;
  });
  return `{\n${lines.join(',\n')}\n}\n`;
}

/** One line, with a space after every colon and comma outside strings. */
function spaced(value: unknown): string {
  return JSON.stringify(value).replaceAll(/("(?:[^"\\]|\\.)*")|([:,])/g, (_all, text: string | undefined, mark: string) =>
    text === undefined ? `${mark} ` : text,
  );
}
