/**
 * The WebGPU executor: weights resident, one prebuilt plan a route, one pass and one submit a frame, a read-back of
 * 64 bytes.
 */
import type { Manifest, RouteSpec } from '../bundle/manifest';
import { asStitchError, StitchError } from '../core/errors';
import { type Kept, openKept } from '../core/kept';
import { TOP_K } from '../core/topk';
import type { AdapterSummary, DeviceLoss, EngineFrame, EngineStats } from '../engine/api';
import type { Executor, RunResult } from '../engine/executor';
import { requiredTensors } from '../model/stored';
import { type GpuHandle, requestDevice } from './device';
import { createVitFamily, linearSizes } from './families/vit';
import { createFrameInput, type FrameInput } from './frame-input';
import { bind, createPipelineCache, type Dispatch, newCounters } from './kernel';
import { topKKernel } from './kernels/top-k';
import { createPlanner, type Plan } from './plan';
import { startTfBackend } from './tf';
import { tilingFor, tune } from './tune';
import { createWeightStore, type WeightStore } from './weights';

export interface GpuExecutor extends Executor {
  readonly adapter: AdapterSummary;
  /** Resolves when the device is lost by other than `dispose`. */
  readonly lost: Promise<DeviceLoss>;
  /** A resident weight: its unit's tfjs tensor and its byte offset there. Errors: bundle-invalid. */
  weight(tensor: string): ReturnType<WeightStore['resident']>;
}

/** Offsets in the read-back buffer: top-k pairs first, two 64-bit timestamps behind them. */
const TOP_K_BYTES = TOP_K * 8;
const STAMP_OFFSET = 48;
const READBACK_BYTES = 64;
/** How long the news of a lost device may take on a busy machine. */
const LOSS_MS = 2000;

/**
 * `kept`: where the device's fastest kernels are found, or noted down once they were measured; default: they are not measured.
 * `plain`: only kernels that every device can run. Errors: unsupported (no adapter or device, or a shape the kernels cannot run),
 * out-of-memory.
 */
export async function createGpuExecutor(manifest: Manifest, kept: Kept = openKept(false), plain = false): Promise<GpuExecutor> {
  const handle = await requestDevice(plain);
  try {
    return await build(manifest, handle, kept);
  } catch (error) {
    handle.device.destroy();
    throw error;
  }
}

async function build(manifest: Manifest, handle: GpuHandle, kept: Kept): Promise<GpuExecutor> {
  const { device, info, summary, specials } = handle;
  const counters = newCounters();
  const tf = await startTfBackend(device, info);
  const pipelines = createPipelineCache(device, counters);
  const weights = createWeightStore(device, tf, counters);
  const tuning = await tune(handle, pipelines, linearSizes(manifest), kept);
  const family = createVitFamily(
    manifest,
    (matrix) => weights.format(matrix),
    (size) => tilingFor(tuning, size, specials),
    specials.shaderF16,
  );
  const planner = await guarded(device, 'the activations', async () =>
    createPlanner(device, family, weights, pipelines, counters),
  );
  const plans = new Map<string, Plan>();
  const k = Math.min(TOP_K, manifest.classes);
  let disposed = false;
  let loss: DeviceLoss | undefined;
  let frames = 0;

  const lost = new Promise<DeviceLoss>((resolve) => {
    void device.lost.then(({ reason, message }) => {
      if (disposed) return;
      loss = { reason: reason ?? 'unknown', message };
      resolve(loss);
    });
  });

  const makeBuffer = (label: string, size: number, usage: number): GPUBuffer => {
    counters.buffers += 1;
    return device.createBuffer({ label, size, usage });
  };
  const topOut = makeBuffer('@top-k', TOP_K_BYTES, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  const readback = makeBuffer('@readback', READBACK_BYTES, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ);
  const logits = planner.activation('@logits');
  const logitsBack = makeBuffer('@logits.readback', logits.size, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ);
  const stamps = summary.timestamps ? device.createQuerySet({ type: 'timestamp', count: 2 }) : undefined;
  const stampsOut = stamps ? makeBuffer('@timestamps', 16, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC) : undefined;
  const timedPass: GPUComputePassDescriptor = stamps
    ? { timestampWrites: { querySet: stamps, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 } }
    : {};

  let input: FrameInput | undefined;
  let topK: Dispatch | undefined;

  const planOf = (route: string): Plan => {
    const plan = plans.get(route);
    if (plan !== undefined) return plan;
    throw new StitchError('route-unknown', `No route "${route}" is ready. Ready: ${[...plans.keys()].join(', ') || 'none'}.`, {
      route,
    });
  };
  const encode = (pass: GPUComputePassEncoder, dispatches: readonly Dispatch[]): void => {
    let bound: GPUComputePipeline | undefined;
    for (const { pipeline, bindGroup, workgroups } of dispatches) {
      if (pipeline !== bound) pass.setPipeline(pipeline);
      bound = pipeline;
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(workgroups);
    }
  };
  const submit = (encoder: GPUCommandEncoder): void => {
    device.queue.submit([encoder.finish()]);
    counters.submits += 1;
  };
  const read = async (buffer: GPUBuffer): Promise<ArrayBuffer> => {
    try {
      await buffer.mapAsync(GPUMapMode.READ);
      const copy = buffer.getMappedRange().slice(0);
      buffer.unmap();
      return copy;
    } catch (error) {
      if (disposed) throw new StitchError('disposed', 'The runtime was disposed while a frame was on its way. Make a new one.');
      // A lost device rejects the map before `device.lost` has run its reactions.
      await Promise.race([lost, new Promise((resolve) => setTimeout(resolve, LOSS_MS))]);
      if (loss === undefined) throw asStitchError(error);
      throw new StitchError('device-lost', `The GPU device was lost (${loss.message || loss.reason}).`, {
        reason: loss.reason,
      });
    }
  };
  return {
    kind: 'webgpu',
    adapter: summary,
    lost,
    weight: (tensor) => weights.resident(tensor),
    async addUnits(units, tensors, pause) {
      await guarded(device, `the weights of ${units.join(', ')}`, async () => {
        for (const unit of units) await weights.addUnit(unit, requiredTensors(manifest, unit, tensors), pause);
      });
    },
    async prepare(routes: readonly RouteSpec[]) {
      await guarded(device, 'the plans', async () => {
        input ??= await createFrameInput(
          device,
          manifest.input,
          family.patch,
          planner.activation('@patches'),
          pipelines,
          counters,
        );
        if (topK === undefined) {
          const pipeline = await pipelines.get(topKKernel({ classes: manifest.classes, k }));
          topK = {
            pipeline,
            bindGroup: bind(device, counters, pipeline, [{ buffer: logits }, { buffer: topOut }]),
            workgroups: 1,
          };
        }
        const made = await Promise.all(routes.map((route) => planner.plan(route)));
        for (const plan of made) plans.set(plan.route, plan);
      });
    },
    async logits(route, pixels) {
      const plan = planOf(route);
      device.queue.writeBuffer(planner.activation('@patches'), 0, toPatches(pixels, manifest.input.size, family.patch));
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      encode(pass, plan.dispatches);
      pass.end();
      encoder.copyBufferToBuffer(logits, 0, logitsBack, 0, logits.size);
      submit(encoder);
      return new Float32Array(await read(logitsBack), 0, manifest.classes);
    },
    async run(route, frame: EngineFrame): Promise<RunResult> {
      const start = performance.now();
      const plan = planOf(route);
      if (input === undefined || topK === undefined)
        throw new StitchError('route-unknown', 'prepare() has not run.', { route });
      const first = await input.upload(frame);
      const encodeStart = performance.now();
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass(timedPass);
      encode(pass, [first]);
      encode(pass, plan.dispatches);
      encode(pass, [topK]);
      pass.end();
      encoder.copyBufferToBuffer(topOut, 0, readback, 0, TOP_K_BYTES);
      if (stamps && stampsOut) {
        encoder.resolveQuerySet(stamps, 0, 2, stampsOut, 0);
        encoder.copyBufferToBuffer(stampsOut, 0, readback, STAMP_OFFSET, 16);
      }
      submit(encoder);
      const encodeMs = performance.now() - encodeStart;
      const bytes = await read(readback);
      frames += 1;
      const words = new Uint32Array(bytes);
      const floats = new Float32Array(bytes);
      const top = Array.from({ length: k }, (_, i) => ({ index: words[i * 2] ?? 0, probability: floats[i * 2 + 1] ?? 0 }));
      if (!Number.isFinite(top[0]?.probability)) {
        throw new StitchError('internal', `Route ${route} gave logits that are not finite: the network overflowed.`, { route });
      }
      const gpuMs = stamps ? gpuTime(bytes) : undefined;
      const totalMs = performance.now() - start;
      return { top, timing: { totalMs, encodeMs, ...(gpuMs === undefined ? {} : { gpuMs }) } };
    },
    stats(): EngineStats {
      const dispatches = [...plans.values()].map((plan) => ({
        route: plan.route,
        network: plan.dispatches.length - plan.stitches,
        stitches: plan.stitches,
        inputOutput: 2,
      }));
      const { pipelines: made, bindGroups, buffers, submits } = counters;
      return {
        executor: 'webgpu',
        pipelines: made,
        bindGroups,
        buffers,
        submits,
        frames,
        dispatches,
        weightBytes: weights.bytes,
        tf: tf.memory(),
      };
    },
    dispose() {
      if (disposed) return;
      disposed = true;
      tf.dispose();
      input?.dispose();
      weights.dispose();
      planner.dispose();
      device.destroy();
    },
  };
}

/** Runs `make`, which creates GPU objects. Errors: out-of-memory, shader (what the GPU refuses), those of `make`. */
async function guarded<T>(device: GPUDevice, what: string, make: () => Promise<T>): Promise<T> {
  device.pushErrorScope('validation');
  device.pushErrorScope('out-of-memory');
  const made = await make().then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  const memory = await device.popErrorScope();
  const validation = await device.popErrorScope();
  // The scopes first: what failed in `make` is often only their consequence.
  if (memory !== null) {
    throw new StitchError('out-of-memory', `The GPU has no memory for ${what}: ${memory.message}. Load a smaller bundle.`);
  }
  if (validation !== null) {
    throw new StitchError(
      'shader',
      `The GPU refused ${what}: ${validation.message}. Use backend "wasm" and report the adapter.`,
    );
  }
  if ('error' in made) throw made.error;
  return made.value;
}

/** Nanosecond stamps → ms; undefined where the clock was reset between them. */
function gpuTime(bytes: ArrayBuffer): number | undefined {
  const [begin = 0n, end = 0n] = new BigUint64Array(bytes, STAMP_OFFSET, 2);
  return end > begin ? Number(end - begin) / 1e6 : undefined;
}

/** [3, S, S] → [1 + (S/P)², 3·P²], channel-major inside a patch; row 0 (class token) stays zero. */
export function toPatches(pixels: Float32Array, size: number, patch: number): Float32Array {
  const grid = size / patch;
  const length = 3 * patch * patch;
  const out = new Float32Array((1 + grid * grid) * length);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < size; y++) {
      for (let x = 0; x < size; x++) {
        const token = 1 + Math.floor(y / patch) * grid + Math.floor(x / patch);
        const at = token * length + (c * patch + (y % patch)) * patch + (x % patch);
        out[at] = pixels[(c * size + y) * size + x] ?? 0;
      }
    }
  }
  return out;
}
