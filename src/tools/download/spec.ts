/** What a user may name as a source of weights: a path, `hf:owner/name[@revision]`, or a URL. */
import { StitchError } from '../../core/errors';

export type SourceSpec =
  | { readonly kind: 'local'; readonly path: string }
  | { readonly kind: 'hf'; readonly owner: string; readonly name: string; readonly revision: string }
  | { readonly kind: 'url'; readonly url: URL };

const PART = '[A-Za-z0-9][A-Za-z0-9._-]*';
const HF = new RegExp(`^(${PART})/(${PART})(?:@(${PART}(?:/${PART})*))?$`);
const LOCAL_HOSTS = ['localhost', '127.0.0.1', '[::1]'];

/** Errors: argument-invalid with the form that is meant. */
export function parseSource(text: string): SourceSpec {
  if (text.startsWith('hf:')) {
    const [, owner, name, revision = 'main'] = HF.exec(text.slice(3)) ?? [];
    if (owner !== undefined && name !== undefined && !text.includes('..')) return { kind: 'hf', owner, name, revision };
    throw new StitchError(
      'argument-invalid',
      `"${text}" is no Hugging Face model. Write hf:owner/name or hf:owner/name@revision.`,
    );
  }
  if (!/^[a-z][a-z0-9+.-]+:\/\//i.test(text)) return { kind: 'local', path: text };
  return { kind: 'url', url: checkUrl(text) };
}

/** An https address, or an http one on this machine. Errors: argument-invalid. */
export function checkUrl(text: string, base?: URL): URL {
  let url: URL;
  try {
    url = new URL(text, base);
  } catch {
    throw new StitchError('argument-invalid', `"${text}" is no address. Give a full https:// address.`);
  }
  if (url.protocol === 'https:' || (url.protocol === 'http:' && LOCAL_HOSTS.includes(url.hostname))) return url;
  throw new StitchError('argument-invalid', `${url.href} is not fetched: weights come over https. Give an https:// address.`);
}
