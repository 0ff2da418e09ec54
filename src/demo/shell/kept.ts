/** What the library keeps on this device, and the button that deletes it. */
import { storage } from '../../index';
import type { StorageUsage } from '../../index';
import { byId, setText } from '../ui/dom';
import { keptText } from '../ui/words';

export interface Kept {
  /** Counts again; something may have been added. Never rejects. */
  refresh(): Promise<void>;
}

export function createKept(): Kept {
  const line = byId('kept-text', HTMLElement);
  const button = byId('kept-delete', HTMLButtonElement);

  const show = (usage: StorageUsage, deleted = false) => {
    setText(line, `${deleted ? 'Deleted. What is loaded goes on; the next visit fetches it again. ' : ''}${keptText(usage)}`);
    button.disabled = usage.shards === 0;
  };
  const attempt = async (act: () => Promise<void>) => {
    try {
      await act();
    } catch (error) {
      // Private browsing, or a policy: the page works without.
      setText(line, `What this browser keeps is not known: ${error instanceof Error ? error.message : String(error)}`);
      button.disabled = true;
    }
  };
  const refresh = () => attempt(async () => show(await storage.usage()));

  button.addEventListener('click', () => {
    button.disabled = true;
    void attempt(async () => {
      await storage.clear();
      show(await storage.usage(), true);
    });
  });
  void refresh();
  return { refresh };
}
