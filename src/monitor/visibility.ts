/** Whether anybody can see the page. Without a document, it counts as visible. */
import type { MonitorEnvironment } from './environment';
import { browserEnvironment } from './environment';

const DOCUMENT_EVENTS = ['visibilitychange', 'freeze', 'resume'];
const WINDOW_EVENTS = ['pagehide', 'pageshow'];

/** Calls back at once and with each change. */
export function watchVisibility(
  callback: (visible: boolean) => void,
  environment: MonitorEnvironment = browserEnvironment(),
): () => void {
  const { document, window } = environment;
  let last: boolean | undefined;
  const tell = (visible: boolean) => {
    if (visible === last) return;
    last = visible;
    callback(visible);
  };
  const read = () => tell(document?.visibilityState !== 'hidden');
  // Safari may leave a page without ever saying `visibilitychange`.
  const hide = () => tell(false);
  for (const event of DOCUMENT_EVENTS) document?.addEventListener(event, event === 'freeze' ? hide : read);
  for (const event of WINDOW_EVENTS) window?.addEventListener(event, event === 'pagehide' ? hide : read);
  read();
  return () => {
    for (const event of DOCUMENT_EVENTS) document?.removeEventListener(event, event === 'freeze' ? hide : read);
    for (const event of WINDOW_EVENTS) window?.removeEventListener(event, event === 'pagehide' ? hide : read);
  };
}

/** Resolves at once where the page is shown, else when it is. */
export async function untilVisible(): Promise<void> {
  while (document.visibilityState === 'hidden') {
    await new Promise((resolve) => document.addEventListener('visibilitychange', resolve, { once: true }));
  }
}
