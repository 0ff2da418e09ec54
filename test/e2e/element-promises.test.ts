/** What docs/embed.md promises of `<running-stitch>` beside its answers: events, parts and slots, fresh starts, and who shares with whom. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningStitchElement } from '../../src/element/index';
import type { createRuntime, Runtime, storage } from '../../src/index';
import { openChromium } from './chromium';
import { add, alive, eventually, IMAGE, noteAnswers, openCounting, part, state, tag } from './element-page';
import { ASSETS, ROOT } from './packed';
import { serve, type Server } from './serve';

const PARTS = ['answer', 'label', 'probability', 'status', 'stage', 'video'];
const COLOUR = 'rgb(1, 2, 3)';
const PAGE = `<!doctype html><title>elements</title>
<style>${PARTS.map((name) => `running-stitch::part(${name}) { outline-color: ${COLOUR}; }`).join(' ')}</style>
<script type="module">
  import '/vendor/running-stitch/element.js';
  import { createRuntime, storage } from '/vendor/running-stitch/index.js';
  Object.assign(globalThis, { createRuntime, storage });
</script><body></body>`;

/** What the page's script and the tests leave on the page. */
interface Realm {
  readonly createRuntime: typeof createRuntime;
  readonly storage: typeof storage;
  readonly told: [type: string, detail: unknown][];
  bubbled: number;
  own: Runtime;
}

let folder: string;
let server: Server;
let browser: Browser;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'running-stitch-element-'));
  writeFileSync(join(folder, 'index.html'), PAGE);
  server = await serve({ folders: { ...ASSETS, '/vendor/running-stitch/': join(ROOT, 'dist/lib'), '/': folder } });
  browser = await openChromium();
});
afterAll(async () => {
  await browser?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const open = () => openCounting(browser, `${server.origin}/`);

describe('the events of <running-stitch>', () => {
  it('tell every stage with what the runtime says, and none bubbles', async () => {
    const { page, errors, close } = await open();
    await page.evaluate(
      ({ types, image }) => {
        const realm = globalThis as unknown as Realm;
        Object.assign(realm, { told: [], bubbled: 0 });
        const element = document.createElement('running-stitch') as RunningStitchElement;
        for (const type of types) {
          element.addEventListener(type, (event) => {
            const { detail } = event as CustomEvent<unknown>;
            // Of the runtime only whether it is the element's own.
            realm.told.push([type, type === 'ready' ? detail === element.runtime : JSON.parse(JSON.stringify(detail))]);
          });
          document.body.addEventListener(type, () => (realm.bubbled += 1));
        }
        Object.assign(element, {
          id: 'one',
          src: '/models/tiny/manifest.json',
          backend: 'webgpu',
          loading: 'eager',
          innerHTML: image,
        });
        document.body.append(element);
        if (element.runtime !== undefined) throw new Error('It has a runtime before one is loaded.');
      },
      { types: ['progress', 'ready', 'result', 'switch', 'error', 'statechange'], image: IMAGE },
    );
    const told = () => page.evaluate(() => (globalThis as unknown as Realm).told);
    const details = async (type: string) => (await told()).filter(([one]) => one === type).map(([, detail]) => detail);
    await eventually(() => details('result')).not.toEqual([]);
    expect(await details('statechange')).toEqual(['idle', 'loading', 'paused', 'running']);
    expect(await details('ready')).toEqual([true]);
    const phases = (await details('progress')).map((detail) => (detail as { phase: string }).phase);
    expect([phases.at(0), phases.includes('shards')]).toEqual(['manifest', true]);
    const order = [...new Set((await told()).map(([type]) => type))];
    expect(order.indexOf('progress')).toBeLessThan(order.indexOf('ready'));
    expect(order.indexOf('ready')).toBeLessThan(order.indexOf('result'));
    const [result] = (await details('result')) as { route: string; top: { label: string }[] }[];
    expect(result?.top[0]?.label).toMatch(/^class \d+$/);

    const from = await page.evaluate(async () => {
      const runtime = document.querySelector('running-stitch')!.runtime!;
      await runtime.loaded;
      const { route } = runtime;
      const other = runtime.routes.find(({ id, available }) => available && id !== route)!;
      runtime.mode = { kind: 'lock', route: other.id };
      return route;
    });
    await eventually(() => details('switch')).not.toEqual([]);
    expect((await details('switch')).at(-1)).toMatchObject({ from, reason: expect.any(String) as unknown });
    await page.evaluate(() => (document.querySelector('running-stitch')!.src = '/models/none/manifest.json'));
    await eventually(() => details('error')).not.toEqual([]);
    expect((await details('statechange')).slice(-2)).toEqual(['loading', 'error']);
    expect(await page.evaluate(() => (globalThis as unknown as Realm).bubbled)).toBe(0);
    // The missing manifest itself is said by the browser.
    expect(errors.filter((text) => !/404/.test(text))).toEqual([]);
    await close();
  });
});

describe('the looks of <running-stitch>', () => {
  it('are the page’s: every part takes its styles, and a slotted answer stands in for the built-in one', async () => {
    const { page, close } = await open();
    await add(page, tag('plain', '') + tag('own', '', `${IMAGE}<p slot="answer">mine</p>`));
    for (const id of ['#plain', '#own']) await eventually(() => state(page, id)).toBe('running');
    for (const name of PARTS) {
      const outline = await part(page, '#plain', name).evaluate((node) => getComputedStyle(node).outlineColor);
      expect(outline, name).toBe(COLOUR);
    }
    await eventually(() => part(page, '#plain', 'label').innerText()).toMatch(/^class \d+$/);
    expect(await page.getByText('mine').isVisible()).toBe(true);
    expect(await part(page, '#own', 'answer').isVisible()).toBe(false);
    expect(await part(page, '#plain', 'answer').isVisible()).toBe(true);
    // Who listens is told all the same.
    await eventually(() => part(page, '#own', 'live').innerText()).toMatch(/^class \d+$/);
    await close();
  });

  it('say which picture is missing, and go on when it comes', async () => {
    const { page, close } = await open();
    await add(page, tag('empty', 'source="img"', ''));
    await eventually(() => part(page, '#empty', 'status').innerText()).toBe('Put an <img> inside the element.');
    expect(await state(page, '#empty')).toBe('paused');
    await page.locator('#empty').evaluate((element, html) => void (element.innerHTML = html), IMAGE);
    await eventually(() => state(page, '#empty')).toBe('running');
    await eventually(() => part(page, '#empty', 'label').innerText()).toMatch(/^class \d+$/);
    expect(await part(page, '#empty', 'status').isVisible()).toBe(false);
    await close();
  });
});

describe('a <running-stitch> that changes', () => {
  it('starts anew for another source or backend, not for another budget', async () => {
    const { page, close } = await open();
    await add(page, tag('it', 'source="img"', `${IMAGE}<video src="/clip.webm" muted loop autoplay playsinline></video>`));
    await eventually(() => state(page, '#it')).toBe('running');
    await page.evaluate(() => {
      const states: string[] = [];
      Object.assign(globalThis, { states });
      document.querySelector('running-stitch')!.addEventListener('statechange', ({ detail }) => states.push(detail));
    });
    const starts = () =>
      page.evaluate(() => (globalThis as unknown as { states: string[] }).states.filter((one) => one === 'loading').length);
    const executor = () => page.evaluate(() => document.querySelector('running-stitch')!.runtime?.device.executor);
    await page.evaluate(() => Object.assign(document.querySelector('running-stitch')!, { budgetMs: 77, energy: 'saver' }));
    expect(await page.evaluate(() => document.querySelector('running-stitch')!.runtime?.budget)).toEqual({
      latencyMs: 77,
      energy: 'saver',
    });
    expect(await starts()).toBe(0);
    await page.evaluate(() => (document.querySelector('running-stitch')!.source = 'video'));
    await eventually(starts).toBe(1);
    await eventually(() => state(page, '#it')).toBe('running');
    await page.evaluate(() => (document.querySelector('running-stitch')!.backend = 'cpu'));
    await eventually(starts).toBe(2);
    await eventually(executor).toBe('cpu');
    await eventually(async () => alive(page)).toBe(1);
    await close();
  });

  it('answers a still image once, though the page adds to its children at every answer', async () => {
    const { page, close } = await open();
    const answers = await noteAnswers(page);
    await page.evaluate(() => {
      const listener = ({ target }: Event): void => (target as Element).append(document.createElement('p'));
      document.addEventListener('result', listener, true);
    });
    await add(page, tag('still', '', '<img src="/photo.jpg" alt="" height="90">'));
    await eventually(() => answers('still')).toHaveLength(1);
    // Each has its turn, so a picture that had come again would have been answered by then.
    await add(page, tag('clock', '', '<video src="/clip.webm" height="90" muted loop autoplay playsinline></video>'));
    await eventually(async () => (await answers('clock')).length).toBeGreaterThan(4);
    expect(await answers('still')).toHaveLength(1);
    await close();
  });

  it('looks at another image that takes the place of its own, however deep', async () => {
    const { page, close } = await open();
    const answers = await noteAnswers(page);
    await add(page, tag('it', '', `<figure>${IMAGE}</figure>`));
    await eventually(() => answers('it')).toHaveLength(1);
    await page.evaluate(() => {
      const blank = Object.assign(document.createElement('canvas'), { width: 64, height: 64 });
      const other = Object.assign(new Image(), { src: blank.toDataURL() });
      document.querySelector('figure')!.replaceChildren(other);
    });
    // It may be complete before its `load` event, and is asked for again then.
    await eventually(async () => new Set(await answers('it')).size).toBe(2);
    await close();
  });

  it('changed out of sight, starts when it is seen again; without a bundle it is idle', async () => {
    const { page, close } = await open();
    await add(page, `${tag('it', '')}<div style="height: 5000px"></div>`);
    await eventually(() => part(page, '#it', 'label').innerText()).toMatch(/^class \d+$/);
    await page.evaluate(() => scrollTo(0, 5000));
    await eventually(() => state(page, '#it')).toBe('paused');
    await page.evaluate(() => (document.querySelector('running-stitch')!.src = '/models/tiny/manifest.json?other'));
    await eventually(() => state(page, '#it')).toBe('idle');
    await page.evaluate(() => scrollTo(0, 0));
    await eventually(() => state(page, '#it')).toBe('running');
    await eventually(() => part(page, '#it', 'label').innerText()).toMatch(/^class \d+$/);
    // It runs already, so there is nothing to hurry.
    await page.evaluate(() => {
      const element = document.querySelector('running-stitch')!;
      element.addEventListener('statechange', () => (element.id = 'changed'));
      element.loading = 'eager';
    });
    await page.waitForTimeout(300);
    expect(await state(page, '#it')).toBe('running');
    await page.evaluate(() => document.querySelector('running-stitch')!.removeAttribute('src'));
    await eventually(() => state(page, '#changed')).toBe('idle');
    expect(await part(page, '#changed', 'label').textContent()).toBe('');
    await eventually(async () => alive(page)).toBe(0);
    await close();
  });

  it('starts again after an error when it is told to', async () => {
    const { page, close } = await open();
    let missing = true;
    await page.route('**/manifest.json', (route) => (missing ? route.fulfill({ status: 404 }) : route.continue()));
    await add(page, tag('it', ''));
    await eventually(() => state(page, '#it')).toBe('error');
    missing = false;
    await page.evaluate(() => document.querySelector('running-stitch')!.restart());
    await eventually(() => state(page, '#it')).toBe('running');
    await close();
  });
});

describe('several <running-stitch> on one page', () => {
  it('load no anchor beyond `max-anchor`, keep nothing with `cache` off, and share only with their like', async () => {
    const { page, workers, close } = await open();
    const both = 'max-anchor="a" cache="off" loading="eager"';
    await add(page, tag('a', both) + tag('b', both));
    for (const id of ['#a', '#b']) await eventually(() => state(page, id)).toBe('running');
    expect(workers()).toBe(1);
    const anchors = (id: string) =>
      page.evaluate(async (selector) => {
        const { runtime } = document.querySelector<RunningStitchElement>(selector)!;
        await runtime!.loaded;
        return ['a', 'b'].filter((anchor) => runtime!.routes.some((one) => one.id === anchor && one.available));
      }, id);
    expect(await anchors('#a')).toEqual(['a']);
    const kept = () => page.evaluate(async () => (await (globalThis as unknown as Realm).storage.usage()).shards);
    expect(await kept()).toBe(0);

    // The same without a cache, then with one: each is another network.
    await page.evaluate(() => document.querySelector('#b')!.removeAttribute('max-anchor'));
    await eventually(() => state(page, '#b')).toBe('running');
    expect(await anchors('#b')).toEqual(['a', 'b']);
    expect(await kept()).toBe(0);
    expect(workers()).toBe(2);
    await page.evaluate(() => (document.querySelector<RunningStitchElement>('#b')!.cache = 'on'));
    await eventually(() => state(page, '#b')).toBe('running');
    expect(await anchors('#b')).toEqual(['a', 'b']);
    await eventually(kept).toBeGreaterThan(0);
    expect(workers()).toBe(3);
    await close();
  });

  it('share by bundle and backend until the last one leaves; createRuntime makes one of its own', async () => {
    const { page, workers, close } = await open();
    await add(page, tag('a', '') + tag('b', '') + tag('c', '', IMAGE, 'cpu'));
    for (const id of ['#a', '#b', '#c']) await eventually(() => state(page, id)).toBe('running');
    expect(workers()).toBe(2);
    const same = await page.evaluate(() => {
      const [a, b, c] = [...document.querySelectorAll('running-stitch')].map(({ runtime }) => runtime);
      return [a === b, a === c];
    });
    expect(same).toEqual([true, false]);
    await page.evaluate(async () => {
      const realm = globalThis as unknown as Realm;
      realm.own = await realm.createRuntime({ bundle: '/models/tiny/manifest.json', backend: 'webgpu' });
    });
    expect(workers()).toBe(3);

    await page.evaluate(() => document.querySelector('#a')!.remove());
    // Longer than it takes to let go of what nobody wants.
    await page.waitForTimeout(500);
    expect(alive(page)).toBe(3);
    await page.evaluate(async () => {
      const b = document.querySelector<RunningStitchElement>('#b')!;
      const answered = new Promise((resolve) => b.addEventListener('result', resolve, { once: true }));
      b.querySelector('img')!.src = '/photo.jpg?again';
      await answered;
    });
    await page.evaluate(() => document.querySelector('#b')!.remove());
    await eventually(async () => alive(page)).toBe(2);
    await page.evaluate(() => document.querySelector('#c')!.remove());
    await eventually(async () => alive(page)).toBe(1);
    await page.evaluate(() => (globalThis as unknown as Realm).own.dispose());
    await eventually(async () => alive(page)).toBe(0);
    await close();
  });
});
