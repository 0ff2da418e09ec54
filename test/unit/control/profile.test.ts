import { describe, expect, test } from 'vitest';
import { costsOf, isProfileFor, profileOf, routesToMeasure } from '../../../src/control/profile';
import { fitCosts } from '../../../src/control/predict';
import type { RouteInfo } from '../../../src/core/types';

/** Two anchors of 12 blocks: 1 and 3 ms a block, 2 ms of overhead, 0.5 ms a stitch. MACs say 1 : 4. */
const MS = { overhead: 2, s: 1, l: 3, stitch: 0.5 };
interface Route extends RouteInfo {
  readonly ms: number;
}
const pure = (id: 's' | 'l'): Route => ({
  id,
  path: [{ anchor: id, from: 0, to: 11 }],
  macs: id === 's' ? 12e6 : 48e6,
  ms: MS.overhead + 12 * MS[id],
});
const stitched = (at: number): Route => ({
  id: `s.${at}+l.${at + 1}`,
  path: [{ anchor: 's', from: 0, to: at }, { stitch: `${at}` }, { anchor: 'l', from: at + 1, to: 11 }],
  macs: (at + 1) * 1e6 + 1e5 + (11 - at) * 4e6,
  ms: MS.overhead + (at + 1) * MS.s + MS.stitch + (11 - at) * MS.l,
});
const ROUTES = [pure('s'), pure('l'), ...Array.from({ length: 11 }, (_, at) => stitched(at))];
const timing = ({ id, ms }: Route, factor = 1) => ({ route: id, medianMs: ms * factor });
const AT = Date.UTC(2025, 0, 2);

describe('routesToMeasure', () => {
  test('anchors first, then some of the whole range, and others between to judge by', () => {
    const { fit, heldOut } = routesToMeasure(ROUTES, 3, 4);
    expect(fit.slice(0, 2).map(({ id }) => id)).toEqual(['s', 'l']);
    expect(fit).toHaveLength(5);
    expect(heldOut).toHaveLength(4);
    expect(new Set([...fit, ...heldOut]).size).toBe(9);
    const macs = fit.slice(2).map((route) => route.macs);
    expect(Math.max(...macs) / Math.min(...macs)).toBeGreaterThan(1.5);
    expect(routesToMeasure(ROUTES.slice(0, 2), 3, 4)).toEqual({ fit: ROUTES.slice(0, 2), heldOut: [] });
  });
});

describe('profileOf', () => {
  test('predicts every route from a few, keeps what was measured, and judges by the routes held out', () => {
    const { fit, heldOut } = routesToMeasure(ROUTES, 3, 4);
    const profile = profileOf(ROUTES, ([...fit, ...heldOut] as Route[]).map((route) => timing(route)), {
      key: 'k',
      at: AT,
      source: 'measured',
      heldOut: new Set(heldOut.map(({ id }) => id)),
    }); // prettier-ignore
    expect(profile).toMatchObject({ format: 'running-stitch-profile/1', key: 'k', source: 'measured' });
    expect(profile.measuredAt).toBe('2025-01-02T00:00:00.000Z');
    expect(profile.routes).toHaveLength(ROUTES.length);
    for (const route of ROUTES) expect(costsOf(profile).get(route.id)! / route.ms - 1).toBeCloseTo(0, 1);
    expect(profile.routes.filter(({ measuredMs }) => measuredMs !== undefined)).toHaveLength(9);
    expect(profile.medianError).toBeLessThan(0.03);
    expect(profile.overheadMs).toBeGreaterThan(0);
    expect(isProfileFor(JSON.parse(JSON.stringify(profile)), 'k', ROUTES)).toBe(true);
  });

  test('an error of the held-out routes is seen: they do not fit themselves', () => {
    const { fit, heldOut } = routesToMeasure(ROUTES, 3, 4);
    const timings = [...(fit as Route[]).map((r) => timing(r)), ...(heldOut as Route[]).map((r) => timing(r, 1.3))];
    const ids = new Set(heldOut.map(({ id }) => id));
    const profile = profileOf(ROUTES, timings, { key: 'k', at: AT, source: 'measured', heldOut: ids });
    expect(profile.medianError).toBeCloseTo(1 - 1 / 1.3, 1);
    // Without any held out each is judged by a fit of the others; of one or two timings nothing can be said.
    expect(profileOf(ROUTES, timings, { key: 'k', at: AT, source: 'measured' }).medianError).toBeGreaterThan(0.02);
    expect(profileOf(ROUTES, timings.slice(0, 2), { key: 'k', at: AT, source: 'measured' }).medianError).toBe(-1);
  });

  test('times that cannot be are no measurements, so the profile can be kept', () => {
    const timings = ROUTES.map((route, i) => timing(route, [0, NaN, -1, Infinity][i] ?? 1));
    const profile = profileOf(ROUTES, timings, { key: 'k', at: AT, source: 'measured' });
    expect(profile.routes.filter(({ measuredMs }) => measuredMs === undefined)).toHaveLength(4);
    expect(isProfileFor(JSON.parse(JSON.stringify(profile)), 'k', ROUTES)).toBe(true);
  });

  test('priors give the ratios where nothing else does, and one timing the scale', () => {
    const priors = ROUTES.map((route) => timing(route, 7));
    const cheapest = ROUTES.filter(({ id }) => id === 's').map((route) => timing(route));
    const { costs } = fitCosts(ROUTES, cheapest, priors);
    for (const route of ROUTES) expect(Math.abs(costs.get(route.id)! / route.ms - 1)).toBeLessThan(0.05);
    // By MACs the large anchor would be far off.
    expect(fitCosts(ROUTES, cheapest).costs.get('l')! / 38 - 1).toBeGreaterThan(0.3);
    expect(fitCosts(ROUTES, [], priors).costs.get('l')! / (7 * 38)).toBeCloseTo(1, 1);
  });

  test('own timings outweigh priors', () => {
    const wrong = ROUTES.map(({ id, macs }) => ({ route: id, medianMs: macs ** 0.3 }));
    const { costs } = fitCosts(ROUTES, routesToMeasure(ROUTES, 3, 0).fit.map((route) => timing(route as Route)), wrong); // prettier-ignore
    for (const route of ROUTES) expect(Math.abs(costs.get(route.id)! / route.ms - 1)).toBeLessThan(0.1);
  });
});

describe('isProfileFor', () => {
  const good = profileOf(ROUTES, ROUTES.map((route) => timing(route)), { key: 'k', at: AT, source: 'measured' }); // prettier-ignore

  test.each([
    ['another key', { ...good, key: 'other' }],
    ['another format', { ...good, format: 'running-stitch-profile/0' }],
    ['a route too few', { ...good, routes: good.routes.slice(1) }],
    ['another route', { ...good, routes: [...good.routes.slice(1), { route: 'x', predictedMs: 1 }] }],
    ['an impossible time', { ...good, routes: good.routes.map((one, i) => (i ? one : { ...one, predictedMs: -1 })) }],
    ['an impossible measurement', { ...good, routes: good.routes.map((one, i) => (i ? one : { ...one, measuredMs: NaN })) }],
    ['no list', { ...good, routes: null }],
    ['a hole', { ...good, routes: [null, ...good.routes.slice(1)] }],
    ['nothing', undefined],
    ['a text', 'profile'],
  ])('refuses %s', (_, value) => {
    expect(isProfileFor(value, 'k', ROUTES)).toBe(false);
  });
});
