/** The page without network: its service worker, and the offer to change to a new version. */
import './styles/offline.css';

/** Looks for a new version this often while the page stays open. */
const LOOK_MS = 3600_000;
/** In the session's storage: the user agreed to the new version. */
const AGREED = 'running-stitch:change';
/** The old version's last answers are through after this long without a request. */
const QUIET_MS = 500;
/** A change takes a moment; one that takes this long will not come by itself. */
const CHANGE_MS = 5000;

/** Never rejects: without a service worker the page works, with network. */
export async function registerOffline(): Promise<void> {
  // While developing there is none.
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  try {
    const registration = await navigator.serviceWorker.register('service-worker.js');
    const offer = (): void => {
      // The first one ever has nothing to replace.
      if (registration.waiting && navigator.serviceWorker.controller) showOffer();
    };
    offer();
    registration.addEventListener('updatefound', () => {
      registration.installing?.addEventListener('statechange', offer);
    });
    // Agreed to in another tab: this one's own files are no longer kept.
    let controlled = navigator.serviceWorker.controller !== null;
    navigator.serviceWorker.addEventListener('controllerchange', () => {
      if (controlled) showChanged();
      controlled = true;
    });
    setInterval(() => void registration.update().catch(() => {}), LOOK_MS);
  } catch {
    // Forbidden by a policy, in private browsing say.
  }
}

/**
 * Changes to the new version where the user has agreed to it, before the app starts. Chromium puts off an activation for minutes
 * when a request reaches the old version in the wrong moment, so the page makes none meanwhile. Returns where there is nothing to
 * change, or the change did not come (it is offered again then); a page that was changed is loaded anew.
 */
export async function changeVersion(): Promise<void> {
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  try {
    if (sessionStorage.getItem(AGREED) === null) return;
    sessionStorage.removeItem(AGREED);
    const waiting = (await navigator.serviceWorker.getRegistration())?.waiting;
    if (!waiting) return;
    const box = showBox('Changing to the new version …');
    if (document.readyState !== 'complete') await new Promise((resolve) => addEventListener('load', resolve, { once: true }));
    await wait(QUIET_MS);
    const changed = new Promise((resolve) => {
      navigator.serviceWorker.addEventListener('controllerchange', () => resolve(true), { once: true });
    });
    waiting.postMessage('skip waiting');
    if ((await Promise.race([changed, wait(CHANGE_MS)])) === true) {
      location.reload();
      await new Promise(() => {});
    }
    box.remove();
  } catch {
    // Forbidden by a policy, in private browsing say.
  }
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function showBox(text: string): HTMLElement {
  const box = document.createElement('div');
  box.id = 'update';
  box.setAttribute('role', 'status');
  box.append(text);
  document.body.append(box);
  return box;
}

function showOffer(): void {
  if (document.getElementById('update') !== null) return;
  const button = createButton('Change to it', () => {
    sessionStorage.setItem(AGREED, 'yes');
    location.reload();
  });
  showBox('A new version of this page is ready. ').append(button);
}

function showChanged(): void {
  document.getElementById('update')?.remove();
  const text = 'Another tab has changed to the new version of this page; parts of the old one may be missing here. ';
  showBox(text).append(createButton('Reload', () => location.reload()));
}

function createButton(text: string, onClick: () => void): HTMLButtonElement {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = text;
  button.addEventListener('click', () => {
    button.disabled = true;
    onClick();
  });
  return button;
}
