/** Trusted Types: where a page enforces them, the address of a worker has to pass a policy. Ours is named `running-stitch`. */

interface ScriptUrlPolicy {
  /** Returns a TrustedScriptURL; TypeScript's DOM library has no such type, and its users want a string. */
  createScriptURL(url: string): string;
}

interface PolicyFactory {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): ScriptUrlPolicy;
}

const NAME = 'running-stitch';
let policy: ScriptUrlPolicy | undefined;

/**
 * `url` as the page's policy wants it; unchanged where there are no Trusted Types, or where the page's `trusted-types` list does
 * not name ours. Only for addresses that the library itself made.
 */
export function trustedScriptUrl(url: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: PolicyFactory };
  try {
    policy ??= trustedTypes?.createPolicy(NAME, { createScriptURL: (own) => own });
  } catch {
    // Refused. Without enforcement the plain address does as well; with it the worker's start says what is wrong.
  }
  return policy?.createScriptURL(url) ?? url;
}
