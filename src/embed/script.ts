/** The build for `<script src>`: the public API as the global `RunningStitch`, and the element. */
import './home';

export * from '../index';
export { RunningStitchElement } from '../element/index';
