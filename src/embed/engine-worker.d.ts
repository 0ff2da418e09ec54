/** The engine's worker as one self-contained script; `scripts/build-lib.mjs` brings it. */
declare module 'virtual:engine-worker' {
  export const source: string;
}
