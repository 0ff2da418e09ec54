/** The page behind `bench:record` and `bench:jank`: the public API under real load. */
import { createRuntime, type BackendChoice, type DeviceInfo, type DeviceProfile, type Runtime } from '../../../../src/index';
import { startBurners } from '../../../support/burner';

export interface LoadPlan {
  /** Processor load from one second to another: this many workers that compute without end. */
  readonly bursts: readonly { readonly from: number; readonly to: number; readonly workers: number }[];
}

export interface OpenRequest {
  readonly manifest: string;
  readonly backend: BackendChoice;
  readonly budgetMs: number;
  readonly guardPage: boolean;
  readonly calibrate: boolean;
}

export interface RecordAnswer {
  readonly trace: string;
  readonly frames: number;
}

export interface SmoothAnswer {
  /** Frames a second of the page's own animation, one number a second. */
  readonly pageFps: readonly number[];
  readonly answers: number;
  readonly duty: number;
}

export interface ControlPage {
  open(request: OpenRequest): Promise<{ readonly device: DeviceInfo; readonly profile: DeviceProfile }>;
  record(seconds: number, plan: LoadPlan): Promise<RecordAnswer>;
  /** The page animates all the time; `classify` says whether the network runs beside it. */
  animate(seconds: number, classify: boolean): Promise<SmoothAnswer>;
  close(): Promise<void>;
}

// Its word would decide before latency does, and it says critical on any busy machine.
Reflect.deleteProperty(globalThis, 'PressureObserver');

let runtime: Runtime | undefined;

const canvas = document.querySelector('canvas') as HTMLCanvasElement;
const context = canvas.getContext('2d') as CanvasRenderingContext2D;
let angle = 0;

/** A page's own animation: some drawing in every frame. */
function draw(): void {
  angle += 0.05;
  context.fillStyle = '#223';
  context.fillRect(0, 0, canvas.width, canvas.height);
  for (let i = 0; i < 60; i++) {
    context.fillStyle = `hsl(${i * 6} 70% 60%)`;
    context.beginPath();
    context.arc(160 + 90 * Math.cos(angle + i), 120 + 70 * Math.sin(angle * 1.3 + i), 12, 0, 7);
    context.fill();
  }
}

/** Draws for `seconds`; frames of each second. */
function animateFor(seconds: number): Promise<number[]> {
  return new Promise((resolve) => {
    const counts = new Array<number>(seconds).fill(0);
    const began = performance.now();
    const next = () => {
      const second = Math.floor((performance.now() - began) / 1000);
      if (second >= seconds) return resolve(counts);
      counts[second] = (counts[second] ?? 0) + 1;
      draw();
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });
}

const opened = (): Runtime => {
  if (!runtime) throw new Error('open() comes first.');
  return runtime;
};

const page: ControlPage = {
  async open({ manifest, backend, budgetMs, guardPage, calibrate }) {
    await runtime?.dispose();
    runtime = await createRuntime({
      bundle: manifest,
      backend,
      cache: false,
      waitFor: 'all',
      guardPage,
      budget: { latencyMs: budgetMs, energy: 'balanced' },
    });
    const profile = calibrate ? await runtime.calibrate() : runtime.profile;
    return { device: runtime.device, profile };
  },
  async record(seconds, { bursts }) {
    const made = opened();
    let frames = 0;
    const off = made.on('result', () => (frames += 1));
    const timers = bursts.flatMap(({ from, to, workers }) => {
      let stop = (): void => {};
      return [setTimeout(() => (stop = startBurners(workers)), from * 1000), setTimeout(() => stop(), to * 1000)];
    });
    const recording = made.record();
    const stop = made.watch(canvas);
    await animateFor(seconds);
    stop();
    for (const timer of timers) clearTimeout(timer);
    off();
    return { trace: recording.stop(), frames };
  },
  async animate(seconds, classify) {
    const made = opened();
    let answers = 0;
    let duty = 1;
    const offs = [made.on('result', () => (answers += 1)), made.on('snapshot', (s) => (duty = s.duty))];
    const stop = classify ? made.watch(canvas) : () => {};
    const pageFps = await animateFor(seconds);
    stop();
    for (const off of offs) off();
    return { pageFps, answers, duty };
  },
  async close() {
    await runtime?.dispose();
    runtime = undefined;
  },
};

(globalThis as unknown as { controlPage: ControlPage }).controlPage = page;
