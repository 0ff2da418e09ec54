/** What a server makes of the package: it can be imported there, and says why it does not run. */
import { describe, expect, test } from 'vitest';
import { createRuntime, storage } from '../../../src/index';
import { lease } from '../../../src/shared/lease';

const why = { code: 'unsupported', message: expect.stringContaining('On a server, import only') as string };

describe('without a page', () => {
  test('a runtime says that there is none', async () => {
    expect(typeof document).toBe('undefined');
    await expect(createRuntime({ bundle: '/models/photos/manifest.json' })).rejects.toMatchObject(why);
    expect(() => lease({ bundle: '/models/photos/manifest.json' })).toThrow(expect.objectContaining(why));
  });

  test('storage says that there is none', async () => {
    await expect(storage.usage()).rejects.toMatchObject({ code: 'storage' });
  });
});
