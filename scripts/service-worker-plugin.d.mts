import type { Plugin } from 'vite';
export function serviceWorker(options: { readonly entry: string; readonly leaveOut: RegExp }): Plugin;
