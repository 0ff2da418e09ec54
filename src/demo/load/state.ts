/** How the added load stands, and the sentence that says so. */
export type LoadState =
  | { readonly kind: 'off' }
  | { readonly kind: 'starting'; readonly on: 'gpu' | 'cpu' }
  | { readonly kind: 'on'; readonly on: 'gpu' | 'cpu'; readonly workers: number; readonly share: number; readonly what: string }
  | { readonly kind: 'failed'; readonly why: string };

export function loadText(state: LoadState): string {
  switch (state.kind) {
    case 'off':
      return 'No load is added.';
    case 'starting':
      return state.on === 'gpu' ? 'Starting work on a second GPU device…' : 'Starting work on every core…';
    case 'on':
      return state.on === 'gpu'
        ? `Your GPU is kept busy ${Math.round(state.share * 100)} % of the time (${state.what}).`
        : `${state.workers} workers keep your cores busy ${Math.round(state.share * 100)} % of the time.`;
    case 'failed':
      return `The load could not be added: ${state.why}.`;
  }
}
