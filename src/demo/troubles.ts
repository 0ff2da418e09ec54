/** What each error of the runtime means to somebody who looks at this page, and what they can do. */
import { StitchError } from '../index';
import type { ErrorCode } from '../index';

export interface Trouble {
  readonly code: ErrorCode;
  readonly title: string;
  /** The runtime's own sentence, with its numbers. */
  readonly message: string;
  readonly hint: string;
  /** Loading on the CPU is worth a try. */
  readonly offerFallback: boolean;
}

const WORDS: Readonly<Record<ErrorCode, { title: string; hint: string; fallback?: true }>> = {
  unsupported: {
    title: 'This browser cannot run it this way',
    hint: 'On a page from https or localhost, any current Chrome, Edge, Firefox or Safari can run the networks on the CPU.',
    fallback: true,
  },
  'bundle-invalid': {
    title: 'The model bundle is not valid',
    hint: 'Check the ?bundle= address, or open this page without it.',
  },
  'bundle-integrity': {
    title: 'The download does not match its fingerprint',
    hint: 'An old copy or a proxy may have changed it. Loading again fetches the damaged part anew.',
  },
  network: {
    title: 'The model could not be fetched',
    hint: 'Check the connection, then load again. What has already arrived is kept.',
  },
  storage: {
    title: 'The browser’s store is full or closed',
    hint: 'Free some space or leave private browsing, then load again.',
  },
  shader: {
    title: 'The graphics driver refused a program',
    hint: 'The networks also run on the CPU. A newer browser or driver may help the GPU.',
    fallback: true,
  },
  'out-of-memory': {
    title: 'Not enough memory',
    hint: 'Close other tabs, then load again, or load without the GPU.',
    fallback: true,
  },
  'device-lost': {
    title: 'The GPU went away',
    hint: 'A driver restart or a sleeping computer does this. Load again.',
    fallback: true,
  },
  'worker-died': {
    title: 'The background worker stopped',
    hint: 'The browser may have run short of memory. Load again.',
    fallback: true,
  },
  'frame-invalid': { title: 'This picture could not be read', hint: 'Choose another source.' },
  'route-unknown': { title: 'There is no such route', hint: 'Choose a route from the list.' },
  'argument-invalid': { title: 'A setting was not accepted', hint: 'Move the slider or open this page without parameters.' },
  busy: { title: 'Still busy with the last picture', hint: 'Wait a moment, then try again.' },
  aborted: { title: 'Loading was cancelled', hint: 'Nothing is lost: what has already arrived is kept for the next time.' },
  disposed: { title: 'The networks were closed', hint: 'Load again.' },
  internal: {
    title: 'Something unexpected went wrong',
    hint: 'Load again. If it stays, the diagnostics below help to report it.',
    fallback: true,
  },
};

export function describeTrouble(error: unknown): Trouble {
  const code = error instanceof StitchError ? error.code : 'internal';
  const message = error instanceof Error ? error.message : String(error);
  const { title, hint, fallback } = WORDS[code];
  // What somebody did on purpose needs no second sentence.
  return { code, title, message: code === 'aborted' ? '' : message, hint, offerFallback: fallback === true };
}

/** True when the page can go on with the same runtime. */
export function isPassing(error: unknown): boolean {
  return error instanceof StitchError && error.recoverable;
}
