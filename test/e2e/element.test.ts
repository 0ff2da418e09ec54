/** `<running-stitch>` in the example application, built from the tarball. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningStitchElement } from '../../src/element/index';
import { openTab } from './chromium';
import { add, alive, eventually, part, state, tag } from './element-page';
import { type ExampleSite, openExample } from './example-site';
import { SAMPLES } from './packed';
import { serve } from './serve';

const QUERY = '?backend=webgpu';
/** No element of its own, so that a test can make some. */
const EMPTY = `<!doctype html><title>empty</title><script type="module" src="./src/element-only.ts"></script><body></body>`;

let site: ExampleSite;
beforeAll(async () => {
  site = await openExample({ 'empty.html': EMPTY, 'src/element-only.ts': "import 'running-stitch/element';" });
});
afterAll(() => site?.close());

const open = (path: string) => site.open(path);

describe('<running-stitch>', () => {
  it('classifies its image and its video through one worker, and the page may bring its own answer', async () => {
    const { page, errors, workers, close } = await open(`/element.html${QUERY}`);
    await eventually(() => state(page, '#first')).toBe('running');
    await eventually(() => state(page, '#second')).toBe('running');
    await eventually(() => part(page, '#first', 'label').innerText()).not.toBe('');
    await eventually(() => page.locator('#second output').innerText()).not.toBe('');
    await eventually(() => part(page, '#first', 'probability').innerText()).toMatch(/^\d+ %$/);
    // The video goes on, and the image keeps its answer.
    expect(workers()).toBe(1);
    expect(alive(page)).toBe(1);
    expect(errors).toEqual([]);
    await close();
  });

  it('says of a picture from elsewhere that it may not be read, and goes on for the others', async () => {
    const elsewhere = await serve({ folders: { '/': SAMPLES } });
    const { page, close } = await open('/empty.html');
    await add(page, tag('bad', 'loading="eager"', `<img src="${elsewhere.origin}/goldfish.jpg" alt="">`, 'cpu'));
    await add(page, tag('good', 'loading="eager"', undefined, 'cpu'));
    await eventually(() => part(page, '#bad', 'status').innerText()).toMatch(/crossorigin/);
    await eventually(() => part(page, '#good', 'label').innerText()).not.toBe('');
    expect(await state(page, '#good')).toBe('running');
    // Another picture, and the complaint is gone.
    await page.evaluate(() => document.querySelector('#bad img')?.setAttribute('src', '/photo.jpg'));
    await eventually(() => part(page, '#bad', 'label').innerText()).not.toBe('');
    expect(await part(page, '#bad', 'status').innerText()).toBe('');
    await close();
    await elsewhere.close();
  });

  it('mirrors attributes and properties, also those set before it was defined', async () => {
    const { page, close } = await openTab(site.browser, `${site.origin}/empty.html`);
    const mirrored = await page.evaluate(() => {
      const element = document.createElement('running-stitch') as RunningStitchElement;
      element.src = '/a.json';
      element.budgetMs = 12.5;
      element.source = 'video';
      element.energy = 'saver';
      element.backend = 'cpu';
      element.maxAnchor = 'a';
      element.cache = 'off';
      element.loading = 'eager';
      const attributes = element.getAttributeNames().map((name) => [name, element.getAttribute(name)]);
      element.setAttribute('budget-ms', '40');
      element.setAttribute('source', 'nonsense');
      element.setAttribute('cache', 'nonsense');
      element.removeAttribute('max-anchor');
      const { cache, maxAnchor } = element;
      const { source } = element;
      element.removeAttribute('source');
      // A picture in the page's own answer is none to classify; any other is, however deep.
      element.innerHTML = '<p slot="answer"><img alt=""></p>';
      const sources = [element.source];
      element.insertAdjacentHTML('beforeend', '<picture><img alt=""></picture>');
      sources.push(element.source);
      return { attributes, budgetMs: element.budgetMs, cache, maxAnchor, source, sources, state: element.state };
    });
    expect(mirrored).toEqual({
      attributes: [
        ['src', '/a.json'],
        ['budget-ms', '12.5'],
        ['source', 'video'],
        ['energy', 'saver'],
        ['backend', 'cpu'],
        ['max-anchor', 'a'],
        ['cache', 'off'],
        ['loading', 'eager'],
      ],
      budgetMs: 40,
      cache: 'on',
      maxAnchor: '',
      source: 'camera',
      sources: ['camera', 'img'],
      state: 'idle',
    });
    const late = await page.evaluate(() => {
      const element = document.createElement('running-stitch') as RunningStitchElement;
      // As a page's script does that runs before the library's.
      Object.defineProperty(element, 'budgetMs', { value: 7, writable: true, configurable: true });
      document.body.append(element);
      return element.getAttribute('budget-ms');
    });
    expect(late).toBe('7');
    await close();
  });

  it('starts when it comes into sight, pauses out of it, and at once when it is eager', async () => {
    const { page, workers, close } = await open('/empty.html');
    await add(page, `<div style="height: 5000px"></div>${tag('far', '')}`);
    await page.waitForTimeout(500);
    expect(await state(page, '#far')).toBe('idle');
    expect(workers()).toBe(0);
    await page.locator('#far').scrollIntoViewIfNeeded();
    await eventually(() => state(page, '#far')).toBe('running');
    await page.evaluate(() => scrollTo(0, 0));
    await eventually(() => state(page, '#far')).toBe('paused');
    expect(alive(page)).toBe(1);
    await add(page, `<div style="height: 5000px"></div>${tag('eager', 'loading="eager"')}`);
    await eventually(() => state(page, '#eager')).toBe('paused');
    await close();
  });

  it('speaks calmly: every few seconds at most, whatever the rate of answers', async () => {
    const { page, close } = await openTab(site.browser, `${site.origin}/empty.html`);
    await add(page, tag('live', 'source="video"', '<video src="/clip.webm" muted loop autoplay playsinline></video>'));
    await eventually(() => state(page, '#live')).toBe('running');
    const live = part(page, '#live', 'live');
    expect(await live.getAttribute('aria-live')).toBe('polite');
    const heard = await page.evaluate(async () => {
      const element = document.querySelector('#live') as RunningStitchElement;
      const region = element.shadowRoot!.querySelector('[part=live]')!;
      const spoken: number[] = [];
      let answers = 0;
      const count = (): void => void (answers += 1);
      element.addEventListener('result', count);
      new MutationObserver(() => spoken.push(performance.now())).observe(region, { childList: true });
      // Long enough for several announcements, and for a busy machine to come to a number of answers.
      const until = performance.now() + 8000;
      while (performance.now() < until || (answers < 10 && performance.now() < until + 60_000)) {
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      return { gaps: spoken.slice(1).map((at, i) => at - spoken[i]!), answers };
    });
    expect(heard.answers).toBeGreaterThanOrEqual(10);
    expect(heard.gaps.filter((gap) => gap < 2900)).toEqual([]);
    await close();
  });

  it('shares one network with the strictest budget, and gives each its turn', async () => {
    const { page, workers, close } = await open('/empty.html');
    // Small, so that all three are in sight.
    const video = '<video width="160" height="90" src="/clip.webm" muted loop autoplay playsinline></video>';
    for (const [id, ms] of [
      ['a', 80],
      ['b', 30],
      ['c', 50],
    ])
      await add(page, tag(`${id}`, `source="video" budget-ms="${ms}"`, video));
    for (const id of ['#a', '#b', '#c']) await eventually(() => state(page, id)).toBe('running');
    expect(workers()).toBe(1);
    const budget = () => page.evaluate(() => document.querySelector<RunningStitchElement>('#a')!.runtime!.budget.latencyMs);
    expect(await budget()).toBe(30);
    await page.evaluate(() => (document.querySelector<RunningStitchElement>('#b')!.budgetMs = 60));
    expect(await budget()).toBe(50);
    const counts = await page.evaluate(async () => {
      const seen = { a: 0, b: 0, c: 0 };
      for (const id of ['a', 'b', 'c'] as const) {
        const element = document.getElementById(id) as RunningStitchElement;
        const count = (): void => void (seen[id] += 1);
        element.addEventListener('result', count);
      }
      const until = performance.now() + 60_000;
      while (Math.max(...Object.values(seen)) < 12 && performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      return Object.values(seen);
    });
    expect(Math.min(...counts)).toBeGreaterThan(3);
    expect(Math.min(...counts)).toBeGreaterThan(0.6 * Math.max(...counts));
    await page.evaluate(() => document.querySelector('#c')!.remove());
    await eventually(budget).toBe(60);
    await close();
  });

  it('lets go of camera, worker and device when it leaves the page, but not when it moves in it', async () => {
    const { page, workers, close } = await open('/empty.html');
    await page.evaluate(() => {
      const { mediaDevices } = navigator;
      const original = mediaDevices.getUserMedia.bind(mediaDevices);
      const tracks: MediaStreamTrack[] = [];
      Object.assign(globalThis, { tracks });
      mediaDevices.getUserMedia = async (constraints) => {
        const stream = await original(constraints);
        tracks.push(...stream.getTracks());
        return stream;
      };
    });
    const tracks = () =>
      page.evaluate(() => (globalThis as unknown as { tracks: MediaStreamTrack[] }).tracks.map((track) => track.readyState));
    await add(page, `<main></main>${tag('cam', 'source="camera"', '')}`);
    await eventually(() => state(page, '#cam')).toBe('running');
    await eventually(() => part(page, '#cam', 'label').innerText()).not.toBe('');
    expect(await tracks()).toEqual(['live']);

    await page.evaluate(() => document.querySelector('main')!.append(document.querySelector('#cam')!));
    await eventually(() => state(page, '#cam')).toBe('running');
    expect(workers()).toBe(1);
    expect((await tracks()).filter((one) => one === 'live')).toHaveLength(1);

    // Unplugged: it says so, and goes on when it is told to.
    await page.evaluate(() =>
      (globalThis as unknown as { tracks: MediaStreamTrack[] }).tracks[0]!.dispatchEvent(new Event('ended')),
    );
    await eventually(() => state(page, '#cam')).toBe('error');
    expect(await part(page, '#cam', 'status').innerText()).toContain('The camera was taken away.');
    await page.evaluate(() => document.querySelector<RunningStitchElement>('#cam')!.restart());
    await eventually(() => state(page, '#cam')).toBe('running');

    await page.evaluate(() => document.querySelector('#cam')!.remove());
    await eventually(async () => alive(page)).toBe(0);
    expect((await tracks()).filter((one) => one === 'live')).toEqual([]);
    await close();
  });

  it('tells an error in words, as an event and as a state, and starts again when it is mended', async () => {
    const { page, close } = await openTab(site.browser, `${site.origin}/empty.html`);
    await page.evaluate(() => {
      const element = document.createElement('running-stitch') as RunningStitchElement;
      const codes: string[] = [];
      Object.assign(globalThis, { codes });
      element.addEventListener('error', ({ detail }) => codes.push(detail.code));
      element.id = 'bad';
      element.backend = 'webgpu';
      element.src = '/models/none/manifest.json';
      element.append(Object.assign(new Image(), { src: '/photo.jpg' }));
      document.body.append(element);
    });
    await eventually(() => state(page, '#bad')).toBe('error');
    expect(await page.evaluate(() => (globalThis as unknown as { codes: string[] }).codes)).toEqual(['network']);
    expect(await part(page, '#bad', 'status').innerText()).toContain('/models/none/manifest.json');
    await page.evaluate(() => document.querySelector('#bad')!.setAttribute('src', '/models/tiny/manifest.json'));
    await eventually(() => state(page, '#bad')).toBe('running');
    expect(await part(page, '#bad', 'status').isVisible()).toBe(false);
    await close();
  });

  it('starts again when a budget that it could not begin with is mended', async () => {
    const { page, close } = await openTab(site.browser, `${site.origin}/empty.html`);
    await add(page, tag('bad', 'budget-ms="x"'));
    await eventually(() => state(page, '#bad')).toBe('error');
    expect(await part(page, '#bad', 'status').innerText()).toContain('latencyMs');
    await page.evaluate(() => document.querySelector('#bad')!.setAttribute('budget-ms', '20'));
    await eventually(() => state(page, '#bad')).toBe('running');
    expect(await page.evaluate(() => document.querySelector('running-stitch')!.runtime?.budget.latencyMs)).toBe(20);
    await close();
  });
});
