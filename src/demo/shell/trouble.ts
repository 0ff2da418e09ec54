/** What went wrong, in the page's panel for it. */
import type { Trouble } from '../troubles';
import { byId, setHidden, setText } from '../ui/dom';

/** `null`: nothing is wrong. */
export function createTroublePanel(): (trouble: Trouble | null) => void {
  const panel = byId('trouble', HTMLElement);
  const title = byId('trouble-title', HTMLElement);
  const message = byId('trouble-message', HTMLElement);
  const hint = byId('trouble-hint', HTMLElement);
  return (trouble) => {
    setText(title, trouble?.title ?? '');
    setText(message, trouble?.message ?? '');
    setHidden(message, !trouble?.message);
    setText(hint, trouble?.hint ?? '');
    setHidden(panel, trouble === null);
  };
}
