/** The page without network: its service worker, and the offer to change to a new version. */
import './styles/offline.css';

/** Looks for a new version this often while the page stays open. */
const LOOK_MS = 3600_000;

/** Never rejects: without a service worker the page works, with network. */
export async function registerOffline(): Promise<void> {
  // While developing there is none.
  if (!import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  try {
    const registration = await navigator.serviceWorker.register('service-worker.js');
    const offer = (): void => {
      // The first one ever has nothing to replace.
      if (registration.waiting && navigator.serviceWorker.controller) showOffer(registration.waiting);
    };
    offer();
    registration.addEventListener('updatefound', () => {
      registration.installing?.addEventListener('statechange', offer);
    });
    setInterval(() => void registration.update().catch(() => {}), LOOK_MS);
  } catch {
    // Forbidden by a policy, in private browsing say.
  }
}

function showOffer(waiting: ServiceWorker): void {
  if (document.getElementById('update') !== null) return;
  const box = document.createElement('div');
  box.id = 'update';
  box.setAttribute('role', 'status');
  box.append('A new version of this page is ready. ');
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Change to it';
  button.addEventListener('click', () => {
    button.disabled = true;
    navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true });
    waiting.postMessage('skip waiting');
  });
  box.append(button);
  document.body.append(box);
}
