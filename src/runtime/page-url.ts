/** Addresses as the page means them. */
import { StitchError } from '../core/errors';

/** Errors: unsupported (no page, as on a server), argument-invalid. */
export function manifestUrl(bundle: string | URL): string {
  if (typeof document === 'undefined') {
    const text =
      'There is no page here to load a bundle into. On a server, import only; load in the browser: in an effect or a handler.';
    throw new StitchError('unsupported', text);
  }
  try {
    return new URL(bundle, document.baseURI).href;
  } catch (error) {
    const text = `bundle "${bundle}" is not a URL. Pass the address of a manifest.json.`;
    throw new StitchError('argument-invalid', text, {}, error);
  }
}
