/** The manifest's account of what rounding the weights cost: read by people and tools, not by the engine. */
import { show, type FieldReader } from './fields';
import type { Accuracy, QuantizationSpec, RouteSpec } from './manifest';

const MAX_ROUTES = 8192;
const MAX_NAME = 1000;

/** Errors: bundle-invalid. */
export function readQuantization(read: FieldReader, value: unknown, routes: ReadonlyMap<string, RouteSpec>): QuantizationSpec {
  const fields = read.object(value, 'quantization');
  const list = read.list(fields['routes'], 'quantization.routes', 0, MAX_ROUTES);
  return {
    weights: read.oneOf(fields['weights'], 'quantization.weights', ['int8', 'f16']),
    images: read.integer(fields['images'], 'quantization.images', 0, Number.MAX_SAFE_INTEGER),
    ...(fields['set'] === undefined ? {} : { set: read.string(fields['set'], 'quantization.set', MAX_NAME) }),
    routes: Array.from(list, (entry, index) => {
      const path = `quantization.routes[${index}]`;
      const route = read.object(entry, path);
      const id = read.string(route['id'], `${path}.id`, MAX_NAME);
      if (!routes.has(id)) read.fail(`${path}.id`, `is ${show(id)}`, 'Use the id of an entry of routes.');
      return {
        id,
        before: readAccuracy(read, route['before'], `${path}.before`),
        after: readAccuracy(read, route['after'], `${path}.after`),
      };
    }),
  };
}

function readAccuracy(read: FieldReader, value: unknown, path: string): Accuracy {
  const fields = read.object(value, path);
  const number = (name: keyof Accuracy, max: number) => read.number(fields[name], `${path}.${name}`, { min: 0, max });
  return { top1: number('top1', 1), top5: number('top5', 1), loss: number('loss', Number.MAX_VALUE) };
}
