/**
 * Keeps the GPU busy for a share of the time, from a device of its own. Each dispatch is tuned to stay near 12 ms and below
 * 20 ms, whatever the adapter: long ones would freeze the whole desktop, and the GPU's watchdog would end them.
 */
import type { BurnOrder, BurnReport } from './burner';

const TARGET_MS = 12;
const LIMIT_MS = 20;
/** Enough threads to fill a large GPU; a small or software adapter gets fewer. */
const MOST_GROUPS = 4096;
const MOST_WORK = MOST_GROUPS * (1 << 18);

const SHADER = /* wgsl */ `
@group(0) @binding(0) var<storage, read_write> sink: array<vec4f>;
@group(0) @binding(1) var<uniform> rounds: vec4u;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  var x = vec4f(f32(id.x) + 1.0, 2.0, 3.0, 4.0);
  for (var i = 0u; i < rounds.x; i++) { x = fma(x, vec4f(0.999), vec4f(0.5)) + sin(x.yzwx); }
  sink[id.x] = x;
}`;

async function prepare(gpu: GPU) {
  const adapter = await gpu.requestAdapter();
  if (adapter === null) throw new Error('no GPU adapter');
  const device = await adapter.requestDevice();
  const pipeline = await device.createComputePipelineAsync({
    layout: 'auto',
    compute: { module: device.createShaderModule({ code: SHADER }), entryPoint: 'main' },
  });
  const sink = device.createBuffer({ size: MOST_GROUPS * 64 * 16, usage: GPUBufferUsage.STORAGE });
  const rounds = device.createBuffer({ size: 16, usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: [
      { binding: 0, resource: { buffer: sink } },
      { binding: 1, resource: { buffer: rounds } },
    ],
  });
  /** One dispatch of `work` units, wide before long; resolves with its milliseconds when the GPU is done. */
  const dispatch = async (work: number) => {
    const groups = Math.min(work, MOST_GROUPS);
    const count = Math.ceil(work / groups);
    device.queue.writeBuffer(rounds, 0, new Uint32Array([count, 0, 0, 0]));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(groups);
    pass.end();
    const start = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    return performance.now() - start;
  };
  return { device, dispatch };
}

const pause = (time: number) => new Promise<void>((resolve) => setTimeout(resolve, time));

async function burn(strength: number): Promise<void> {
  if (!('gpu' in navigator)) throw new Error('this worker has no WebGPU');
  const { device, dispatch } = await prepare(navigator.gpu);
  let lost = false;
  void device.lost.then(() => (lost = true));
  let work = 16;
  let busy = 0;
  let since = performance.now();
  // Starts with almost nothing and grows by half, so that even a software adapter never gets a long first dispatch.
  while (!lost) {
    const took = await dispatch(work);
    busy += took;
    const factor = took > LIMIT_MS ? 0.5 : Math.min(TARGET_MS / Math.max(took, 0.1), 1.5);
    work = Math.min(Math.max(Math.ceil(work * factor), 1), MOST_WORK);
    const now = performance.now();
    if (now - since >= 1000) {
      postMessage({
        type: 'busy',
        share: Math.min(busy / (now - since), 1),
        what: `dispatches of ${Math.round(took)} ms`,
      } satisfies BurnReport);
      busy = 0;
      since = now;
    }
    await pause(Math.max(took * (1 / strength - 1), 1));
  }
  throw new Error('the second GPU device was lost');
}

addEventListener(
  'message',
  ({ data }: MessageEvent<BurnOrder>) => {
    burn(data.strength).catch((error: unknown) => {
      postMessage({ type: 'failed', why: error instanceof Error ? error.message : String(error) } satisfies BurnReport);
    });
  },
  { once: true },
);
