/** Answers to requests for a part of a file: media elements ask for parts, and Safari plays nothing without them. */

/** `whole` as 206 with the bytes of a single range `bytes=A-B`, `bytes=A-` or `bytes=-N`; 416 for one that it does not have. */
export async function partOf(whole: Response, range: string): Promise<Response> {
  const blob = await whole.blob();
  const [, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range.trim()) ?? [];
  const [from, to] = first === '' ? [Math.max(0, blob.size - Number(last)), blob.size - 1] : [Number(first), last === '' ? blob.size - 1 : Math.min(Number(last), blob.size - 1)]; // prettier-ignore
  if ((first === '' && last === '') || from > to || from >= blob.size) {
    return new Response(null, { status: 416, headers: { 'content-range': `bytes */${blob.size}` } });
  }
  const part = blob.slice(from, to + 1);
  return new Response(part, {
    status: 206,
    headers: {
      'content-type': whole.headers.get('content-type') ?? 'application/octet-stream',
      'content-length': String(part.size),
      'content-range': `bytes ${from}-${to}/${blob.size}`,
    },
  });
}
