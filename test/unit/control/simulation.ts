/** One seeded run as a list of frames, with the figures that the tests ask for. */
import { createController } from '../../../src/control/controller';
import { measure } from '../../../src/control/metrics';
import { hopelessTicks, planOf } from '../../../src/control/oracle';
import { SIMULATION, briefing, fly, layOut, noiseFor } from '../../../src/control/simulate';
import type { Trace } from '../../../src/control/traces';
import type { Decision, Rung } from '../../../src/control/types';

export { TRACES } from '../../../src/control/traces';

export interface SimulatedFrame {
  readonly second: number;
  readonly route: string;
  readonly latencyMs: number;
  readonly budgetMs: number;
}

export interface SimulationResult {
  readonly frames: readonly SimulatedFrame[];
  readonly decisions: readonly Decision[];
  /** A share, unlike the metrics'. */
  readonly violations: number;
  readonly switchesPerMinute: number;
  readonly reversalsPerMinute: number;
  readonly regret: number;
}

export function simulate(trace: Trace, rungs: readonly Rung[], seed: number): SimulationResult {
  const course = layOut(trace, rungs);
  const controller = createController(briefing(course));
  const run = fly(course, noiseFor(trace, course.ticks, seed), controller);
  const metrics = measure(run, planOf(course), hopelessTicks(course));
  const frames = Array.from({ length: run.count }, (_, i): SimulatedFrame => {
    const tick = run.tick[i] ?? 0;
    return {
      second: (tick * SIMULATION.frameMs) / 1000,
      route: course.rungs[run.rung[i] ?? 0]?.id ?? '',
      latencyMs: run.latencyMs[i] ?? 0,
      budgetMs: course.budgetMs[tick] ?? 0,
    };
  });
  return {
    frames,
    decisions: [controller.first, ...run.decisions],
    violations: metrics.violations / 100,
    switchesPerMinute: metrics.switches,
    reversalsPerMinute: metrics.reversals,
    regret: metrics.regret,
  };
}
