/** The custom element. Importing this module defines `<running-stitch>`; where there is no DOM it defines nothing. */
import { RunningStitchElement } from './element';

export type { SourceKind } from './attributes';
export { RunningStitchElement } from './element';
export type { ElementState, RunningStitchEventMap } from './events';

const TAG = 'running-stitch';
// Two copies of the library on one page: the first one wins.
if (typeof customElements !== 'undefined' && customElements.get(TAG) === undefined) {
  customElements.define(TAG, RunningStitchElement);
}

declare global {
  interface HTMLElementTagNameMap {
    'running-stitch': RunningStitchElement;
  }
}
