/** Generated parts of a Markdown file: what stands between a pair of markers is a program's, the rest is a person's. */

const begin = (id: string) => `<!-- ${id}: written by a program, do not edit -->`;
const end = (id: string) => `<!-- end of ${id} -->`;

/** Puts `body` between the markers of `id`. Errors: the markers are not there, in this order, once. */
export function replacePart(text: string, id: string, body: string): string {
  const [open, close] = [begin(id), end(id)];
  const from = text.indexOf(open);
  const to = text.indexOf(close);
  if (from < 0 || to < from || text.includes(open, from + 1) || text.includes(close, to + 1)) {
    throw new Error(`The document needs exactly one pair of lines "${open}" and "${close}" for the part ${id}.`);
  }
  return `${text.slice(0, from + open.length)}\n\n${body.trim()}\n\n${text.slice(to)}`;
}
