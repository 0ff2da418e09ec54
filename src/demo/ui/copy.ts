/** Text for the clipboard, and a button that says when it is there. */
import { setText } from './dom';

/** How long a button says that it has copied. */
const COPIED_MS = 2000;

/** Whether the browser allowed it. A promised text is asked for while the click still counts, which Safari insists on. */
export async function copyText(button: HTMLButtonElement, text: string | Promise<string>): Promise<boolean> {
  const words = button.dataset['words'] ?? button.textContent;
  button.dataset['words'] = words;
  try {
    if (typeof text === 'string' || !('ClipboardItem' in globalThis)) await navigator.clipboard.writeText(await text);
    else
      await navigator.clipboard.write([
        new ClipboardItem({ 'text/plain': text.then((plain) => new Blob([plain], { type: 'text/plain' })) }),
      ]);
  } catch {
    return false;
  }
  setText(button, 'Copied');
  setTimeout(() => setText(button, words), COPIED_MS);
  return true;
}
