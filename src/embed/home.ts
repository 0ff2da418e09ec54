/**
 * Where this script came from. Asked while it runs, since afterwards a document does not know any more: `script.ts` imports this
 * first, and whatever is evaluated later reads it.
 */
export const HOME = (document.currentScript as HTMLScriptElement | null)?.src || document.baseURI;
