/** The pictures that a page puts into an element. */

/** The first of `kinds` (a selector) inside `host`, but for what stands in a slot: that is the page's own answer. */
export function pictureIn(host: HTMLElement, kinds: string): HTMLVideoElement | HTMLImageElement | undefined {
  const found = [...host.querySelectorAll<HTMLVideoElement | HTMLImageElement>(kinds)];
  return found.find((picture) => {
    const slotted = picture.closest('[slot]');
    return slotted === null || slotted.contains(host);
  });
}
