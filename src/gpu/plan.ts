/** Route → plan: the frozen list of dispatches of one route. Routes share dispatches block by block. */
import type { RouteSpec } from '../bundle/manifest';
import { StitchError } from '../core/errors';
import type { Step, VitFamily } from './families/vit';
import { bind, type BufferRange, type Dispatch, type GpuCounters, type Kernel, type PipelineCache } from './kernel';
import type { WeightStore } from './weights';

export interface Plan {
  readonly route: string;
  /** Embed, blocks, stitches and head, in order. */
  readonly dispatches: readonly Dispatch[];
  /** How many of them are stitches. */
  readonly stitches: number;
}

export interface Planner {
  /** Builds, or hands out, the plan of a route whose units are loaded. Errors: shader, unsupported, bundle-invalid. */
  plan(route: RouteSpec): Promise<Plan>;
  activation(name: string): GPUBuffer;
  /** All of them. */
  readonly activations: readonly GPUBuffer[];
  dispose(): void;
}

/** What routes share: an embedding, a block, a stitch or a head. */
interface Part {
  readonly key: string;
  readonly steps: () => Step[];
}

function partsOf(family: VitFamily, { path, finalNorm }: RouteSpec): Part[] {
  const parts: Part[] = [];
  let last = '';
  for (const step of path) {
    if ('stitch' in step) {
      parts.push({ key: `stitch ${step.stitch}`, steps: () => [family.stitch(step.stitch)] });
      continue;
    }
    const { anchor } = step;
    if (parts.length === 0) parts.push({ key: `embed ${anchor}`, steps: () => [family.embed(anchor)] });
    for (let i = step.from; i <= step.to; i++) {
      parts.push({ key: `block ${anchor} ${i}`, steps: () => family.block(anchor, i) });
    }
    last = anchor;
  }
  parts.push({ key: `head ${last} ${finalNorm}`, steps: () => [family.head(last, finalNorm)] });
  return parts;
}

/** The kernels of all routes, in the order in which routes come; needs no weights but what `family` asks of them. */
export function kernelsOf(family: VitFamily, routes: readonly RouteSpec[]): Kernel[] {
  const parts = new Map(routes.flatMap((route) => partsOf(family, route)).map((part) => [part.key, part]));
  const kernels = [...parts.values()].flatMap(({ steps }) => steps()).map(({ kernel }) => kernel);
  return [...new Map(kernels.map((kernel) => [kernel.key, kernel])).values()];
}

export function createPlanner(
  device: GPUDevice,
  family: VitFamily,
  weights: WeightStore,
  pipelines: PipelineCache,
  counters: GpuCounters,
): Planner {
  const activations = new Map<string, GPUBuffer>();
  for (const [name, size] of family.activations) {
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    activations.set(name, device.createBuffer({ label: name, size, usage }));
    counters.buffers += 1;
  }
  const activation = (name: string): GPUBuffer => {
    const buffer = activations.get(name);
    if (buffer === undefined) throw new Error(`No activation ${name}`);
    return buffer;
  };
  const resource = (name: string): BufferRange => (name.startsWith('@') ? { buffer: activation(name) } : weights.range(name));

  const built = new Map<string, Promise<Dispatch[]>>();
  const build = (key: string, steps: () => Step[]): Promise<Dispatch[]> => {
    let dispatches = built.get(key);
    if (dispatches === undefined) {
      dispatches = Promise.all(
        steps().map(async ({ kernel, bindings, workgroups }) => {
          const limit = device.limits.maxComputeWorkgroupsPerDimension;
          if (workgroups > limit) {
            throw new StitchError(
              'unsupported',
              `Kernel ${kernel.key} needs ${workgroups} workgroups; this GPU runs ${limit}. Use backend "wasm".`,
            );
          }
          const pipeline = await pipelines.get(kernel);
          return { pipeline, bindGroup: bind(device, counters, pipeline, bindings.map(resource)), workgroups };
        }),
      );
      built.set(key, dispatches);
      dispatches.catch(() => built.delete(key));
    }
    return dispatches;
  };

  return {
    activation,
    activations: [...activations.values()],
    async plan(route) {
      const parts = await Promise.all(partsOf(family, route).map(({ key, steps }) => build(key, steps)));
      const stitches = route.path.filter((step) => 'stitch' in step).length;
      return Object.freeze({ route: route.id, dispatches: Object.freeze(parts.flat()), stitches });
    },
    dispose() {
      for (const buffer of activations.values()) buffer.destroy();
      activations.clear();
      built.clear();
    },
  };
}
