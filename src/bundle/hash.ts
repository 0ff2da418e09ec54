/** SHA-256 by the platform. */
import { StitchError } from '../core/errors';

/**
 * SHA-256 as 64 lower-case hex digits.
 * Errors: unsupported where the page is no secure context, because Web Crypto is absent there.
 */
export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  requireCrypto();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** A bundle's hash: of its validated manifest, and so of everything in it. Errors: unsupported. */
export const bundleHash = (manifest: unknown): Promise<string> => sha256Hex(new TextEncoder().encode(JSON.stringify(manifest)));

/** Called before a download too, so that nobody waits for megabytes that cannot be trusted. Errors: unsupported. */
export function requireCrypto(): void {
  // Typed as always there, but absent outside secure contexts.
  const { subtle } = (globalThis.crypto as Partial<Crypto> | undefined) ?? {};
  if (subtle !== undefined) return;
  const problem = 'Weights cannot be verified: crypto.subtle is missing, because the page is not a secure context.';
  throw new StitchError('unsupported', `${problem} Serve it over https, or from localhost.`);
}
