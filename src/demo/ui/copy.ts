/** Text for the clipboard, and a button that says when it is there. */
import { setText } from './dom';

/** How long a button says that it has copied. */
const COPIED_MS = 2000;

/** Whether the browser allowed it. */
export async function copyText(button: HTMLButtonElement, text: string): Promise<boolean> {
  const words = button.dataset['words'] ?? button.textContent;
  button.dataset['words'] = words;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    return false;
  }
  setText(button, 'Copied');
  setTimeout(() => setText(button, words), COPIED_MS);
  return true;
}
