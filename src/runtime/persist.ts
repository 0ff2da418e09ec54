/** Asks the browser not to drop what is cached when the disk fills up: once, and not before the page has shown its use. */

let asked = false;

export function askToPersist(): void {
  if (asked) return;
  asked = true;
  // Missing outside secure contexts. Whatever is answered, the cache works; it may only be dropped sooner.
  const { storage } = navigator as { readonly storage?: Partial<StorageManager> };
  storage?.persist?.().catch(() => {});
}
