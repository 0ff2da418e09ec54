/** What Running Stitch has to reach against its peers. */
import type { ShapeId } from '../lib/shapes';
import { median } from '../lib/figures';
import { isVoid, ratioOf, type Samples } from './judge';

const DEIT: readonly ShapeId[] = ['ti', 's'];
/** Largest share of the peer's time on a software adapter. */
const ON_SOFTWARE: Readonly<Record<string, number>> = { 'litert-webgpu': 0.45, 'ort-webgpu': 0.15, 'tfjs-webgpu': 0.17 };
/** Largest share of the fastest peer's time on a real GPU. */
const ON_GPU = 0.7;
const ENCODE_MS = 0.3;
/** WASM against onnxruntime-web with one thread, on the default bundle's larger network. */
const WASM = { shape: 'w128', peer: 'ort-wasm-1', limit: 1 } as const;

export interface TargetRow extends Record<string, string> {
  readonly figure: string;
  readonly target: string;
  readonly measured: string;
  readonly reached: string;
}

const row = (figure: string, limit: number, measured: number, digits = 2): TargetRow => ({
  figure,
  target: `≤ ${limit}`,
  measured: measured.toFixed(digits),
  reached: measured <= limit ? 'yes' : '**no**',
});

/** Rows for what was measured; a peer that did not run, or is void, has none. */
export function targetRows(shape: ShapeId, all: readonly Samples[], software: boolean): TargetRow[] {
  const of = (id: string) => all.find(({ peer }) => peer.id === id);
  const ours = of('stitch-webgpu');
  const rows: TargetRow[] = [];
  if (DEIT.includes(shape) && software) {
    for (const [peer, limit] of Object.entries(ON_SOFTWARE)) {
      const ratio = ratioOf(ours, of(peer));
      if (ratio !== undefined) rows.push(row(`WebGPU time ÷ ${of(peer)?.peer.title}`, limit, ratio));
    }
  }
  if (DEIT.includes(shape) && !software) {
    const others = all.filter(({ peer }) => peer.engine !== 'stitch');
    const ratios = others.flatMap((other) => ratioOf(ours, other) ?? []);
    if (ratios.length > 0) rows.push(row('WebGPU time ÷ the fastest peer', ON_GPU, Math.max(...ratios)));
  }
  const frame = of('stitch-webgpu-frame');
  if (frame !== undefined && !isVoid(frame)) {
    rows.push(row('encode of a frame in a stream, ms', ENCODE_MS, median(frame.streamEncodeMs)));
    const created = Math.max(...frame.rounds.map(({ calls }) => calls.bindGroups + calls.buffers));
    rows.push(row('bind groups and buffers created a frame', 0, created, 0));
  }
  const wasm = ratioOf(of('stitch-wasm'), of(WASM.peer));
  if (shape === WASM.shape && wasm !== undefined) rows.push(row(`WASM time ÷ ${of(WASM.peer)?.peer.title}`, WASM.limit, wasm));
  return rows;
}
