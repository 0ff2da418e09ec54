/** What all pages have: the way between them, what is kept on the device, and the service worker. */
import { registerOffline } from '../offline';
import { type Kept, createKept } from './kept';

/** Call once, when the page is about to start. */
export function createShell(): Kept {
  // The bundle and the backend that somebody chose hold on every page.
  for (const link of document.querySelectorAll<HTMLAnchorElement>('.pages a')) link.search = location.search;
  void registerOffline();
  return createKept();
}
