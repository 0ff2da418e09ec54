/**
 * The WebGPU executor: weights resident, one prebuilt plan a route, one pass and one submit a frame, a read-back of
 * 64 bytes.
 */
import type { Manifest, RouteSpec } from '../bundle/manifest';
import { StitchError } from '../core/errors';
import { type Kept, openKept } from '../core/kept';
import type { AdapterSummary, DeviceLoss, EngineFrame, EngineStats } from '../engine/api';
import type { Executor, RunResult } from '../engine/executor';
import { requiredTensors } from '../model/stored';
import { type GpuHandle, requestDevice } from './device';
import { type Answers, answersKernel, createAnswers } from './answer';
import { createBatches } from './batch';
import { createVitFamily, linearSizes, type VitFamily } from './families/vit';
import { createFrameInput, type FrameInput } from './frame-input';
import { createPipelineCache, newCounters } from './kernel';
import { inputKernel } from './kernels/input';
import { createPieces } from './pieces';
import { createPlanner, kernelsOf, type Plan } from './plan';
import { createQueue, guarded } from './queue';
import { startTfBackend } from './tf';
import { attentionFor, tilingFor, tune } from './tune';
import { Waiting } from './waiting';
import { createWeightStore, type WeightStore } from './weights';

export interface GpuExecutor extends Executor {
  readonly adapter: AdapterSummary;
  /** Resolves when the device is lost by other than `dispose`. */
  readonly lost: Promise<DeviceLoss>;
  /** A resident weight: its unit's tfjs tensor and its byte offset there. Errors: bundle-invalid. */
  weight(tensor: string): ReturnType<WeightStore['resident']>;
}

/** Pictures of a batch. More of them keep a GPU no busier, and their activations take memory. */
const BATCH = 8;
/** The read-back buffer has the answer first, and two 64-bit timestamps here. */
const STAMP_OFFSET = 48;
const READBACK_BYTES = 64;
/** While the GPU is at one frame, the next one is uploaded and encoded. A third would only wait. */
const FRAMES_IN_FLIGHT = 2;

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
  const queue = createQueue(device, counters);
  const familyOf = (images: number, formatOf = (matrix: string) => weights.format(matrix)): VitFamily =>
    createVitFamily(manifest, {
      formatOf,
      tilingOf: (size) => tilingFor(tuning, size, specials),
      attentionOf: (shape) => attentionFor(shape, specials),
      halves: specials.halves,
      images,
    });
  const family = familyOf(1);
  const planner = await guarded(device, 'the activations', async () =>
    createPlanner(device, family, weights, pipelines, counters),
  );
  // While the weights come, so that nothing compiles while frames run. Where the weights turn out to have another form, what they need
  // compiles then.
  const expected = familyOf(1, () => manifest.quantization?.weights ?? 'f16');
  const outer = [inputKernel(manifest.input, family.patch), answersKernel(manifest.classes)];
  for (const kernel of [...kernelsOf(expected, manifest.routes), ...outer]) pipelines.get(kernel).catch(() => {});
  const pieces = createPieces(device, queue, planner.activations, counters);
  const plans = new Map<string, Plan>();
  let disposed = false;
  let frames = 0;

  const makeBuffer = (label: string, size: number, usage: number): GPUBuffer => {
    counters.buffers += 1;
    return device.createBuffer({ label, size, usage });
  };
  /** One a frame on its way. All else they share: the queue is one line, so a frame's copies run before the next one's kernels. */
  const readbacks = Array.from({ length: FRAMES_IN_FLIGHT }, () =>
    makeBuffer('@readback', READBACK_BYTES, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ),
  );
  const logits = planner.activation('@logits');
  const logitsBack = makeBuffer('@logits.readback', logits.size, GPUBufferUsage.COPY_DST | GPUBufferUsage.MAP_READ);
  const stamps = summary.timestamps ? device.createQuerySet({ type: 'timestamp', count: 2 }) : undefined;
  const stampsOut = stamps ? makeBuffer('@timestamps', 16, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC) : undefined;
  const timedPass: GPUComputePassDescriptor = stamps
    ? { timestampWrites: { querySet: stamps, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 } }
    : {};

  let input: FrameInput | undefined;
  let answers: Answers | undefined;
  /** Between a frame's upload and its submit no other may use the texture. */
  let entrance: Promise<unknown> = Promise.resolve();
  const enter = <T>(work: () => Promise<T>): Promise<T> => {
    const entered = entrance.then(work);
    entrance = entered.catch(() => {});
    return entered;
  };
  const waiting = new Waiting();

  const planOf = (route: string): Plan => {
    const plan = plans.get(route);
    if (plan !== undefined) return plan;
    throw new StitchError('route-unknown', `No route "${route}" is ready. Ready: ${[...plans.keys()].join(', ') || 'none'}.`, {
      route,
    });
  };
  const setPatches = (pixels: Float32Array): void =>
    device.queue.writeBuffer(planner.activation('@patches'), 0, toPatches(pixels, manifest.input.size, family.patch));
  const copyLogits = (encoder: GPUCommandEncoder): void => encoder.copyBufferToBuffer(logits, 0, logitsBack, 0, logits.size);
  const readLogits = async (): Promise<Float32Array> => new Float32Array(await queue.read(logitsBack), 0, manifest.classes); // [⌈classes⌉] -> [classes]
  const prepared = (): { readonly upload: FrameInput['upload']; readonly ends: Answers } => {
    if (input === undefined || answers === undefined) throw new StitchError('route-unknown', 'prepare() has not run.');
    return { upload: input.upload, ends: answers };
  };
  const runFrame = async (route: string, frame: EngineFrame): Promise<RunResult> => {
    const start = performance.now();
    const plan = planOf(route);
    const { upload, ends } = prepared();
    const readback = readbacks.pop();
    if (readback === undefined) throw new StitchError('busy', `${FRAMES_IN_FLIGHT} frames are on their way. Await one.`);
    let submittedAt = 0;
    let encodeMs = 0;
    let bytes: ArrayBuffer;
    try {
      await enter(async () => {
        const first = await upload(frame);
        const encodeStart = performance.now();
        const encoder = device.createCommandEncoder();
        const pass = encoder.beginComputePass(timedPass);
        queue.encode(pass, [first]);
        queue.encode(pass, plan.dispatches);
        queue.encode(pass, [ends.dispatch]);
        pass.end();
        encoder.copyBufferToBuffer(ends.out, 0, readback, 0, ends.bytes);
        if (stamps && stampsOut) {
          encoder.resolveQuerySet(stamps, 0, 2, stampsOut, 0);
          encoder.copyBufferToBuffer(stampsOut, 0, readback, STAMP_OFFSET, 16);
        }
        queue.submit(encoder);
        submittedAt = performance.now();
        encodeMs = submittedAt - encodeStart;
      });
      bytes = await queue.read(readback);
    } finally {
      readbacks.push(readback);
    }
    const gpuMs = stamps ? gpuTime(bytes) : undefined;
    const queuedMs = waiting.of({ submittedAt, answeredAt: performance.now(), gpuMs });
    const top = ends.parse(bytes, 0, route);
    const totalMs = performance.now() - start;
    pieces.frame(totalMs - queuedMs);
    return {
      top,
      timing: { totalMs, encodeMs, ...(gpuMs === undefined ? {} : { gpuMs }), ...(queuedMs > 0 ? { queuedMs } : {}) },
    };
  };
  const batches = createBatches(
    { device, manifest, weights, pipelines, counters, queue, images: BATCH, family: () => familyOf(BATCH) },
    async ({ id }, frame) => (await runFrame(id, frame)).top,
  );
  return {
    kind: 'webgpu',
    framesInFlight: FRAMES_IN_FLIGHT,
    adapter: summary,
    lost: queue.lost,
    weight: (tensor) => weights.resident(tensor),
    async addUnits(units, tensors, pause) {
      for (const unit of units) await weights.addUnit(unit, requiredTensors(manifest, unit, tensors), pause);
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
        answers ??= await createAnswers(device, logits, { classes: manifest.classes, images: 1 }, pipelines, counters);
        const made = await Promise.all(routes.map((route) => planner.plan(route)));
        for (const plan of made) plans.set(plan.route, plan);
      });
    },
    async logits(route, pixels) {
      const plan = planOf(route);
      setPatches(pixels);
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      queue.encode(pass, plan.dispatches);
      pass.end();
      copyLogits(encoder);
      queue.submit(encoder);
      return readLogits();
    },
    async logitsInPieces(route, pixels, pause) {
      const plan = planOf(route);
      await pieces.run(plan.dispatches, pause, () => setPatches(pixels), copyLogits);
      return readLogits();
    },
    async run(route, frame) {
      const result = await runFrame(route, frame);
      frames += 1;
      return result;
    },
    batchSize: BATCH,
    async runBatch(id, pictures) {
      planOf(id);
      const answered = await batches.run(
        manifest.routes.find((one) => one.id === id)!,
        pictures,
      );
      frames += pictures.length;
      return answered;
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
      queue.end();
      tf.dispose();
      batches.dispose();
      input?.dispose();
      weights.dispose();
      planner.dispose();
      device.destroy();
    },
  };
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
