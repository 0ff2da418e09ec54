/** How the tools are called, for their help: by the scripts of the repository, or as the one command of the npm package. */
let packaged = false;

/** Said before the tools are loaded. */
export function calledAsPackage(): void {
  packaged = true;
}

export const isPackaged = (): boolean => packaged;

/** What comes before the arguments. */
export function invocation(tool: 'model' | 'classify'): string {
  if (!packaged) return `npm run ${tool} --`;
  return tool === 'model' ? 'running-stitch' : 'running-stitch classify';
}
