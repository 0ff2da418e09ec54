/**
 * Where this script came from. Asked while it runs, since afterwards a document does not know any more: `script.ts` imports this
 * first, and whatever is evaluated later reads it.
 */
const src = (document.currentScript as HTMLScriptElement | null)?.src;

/** A CDN's short address of the package, `…/running-stitch` or `…/running-stitch@0.1.0`, stands for this file in `dist/lib`. */
const inPackage = (address: string): string =>
  /\/running-stitch(@[^/]*)?\/?$/.test(address) ? `${address.replace(/\/$/, '')}/dist/lib/` : address;

export const HOME = src ? inPackage(src) : document.baseURI;
