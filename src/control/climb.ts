/** When to climb by itself, and how far: after a dwell, with a margin that grows with the noise, and not to what failed lately. */
import { exp } from '../core/exact';
import { spreadOf, tailMs } from './estimator';
import { allowed, currentIndex, indexOf, rungAt } from './state';
import type { ControlState } from './state';
import { thermalOf } from './thermal';
import { TUNING } from './tuning';
import { worstOf } from './worst';

/** The rung to climb to now, or the present one. */
export function climb(state: ControlState): number {
  const here = currentIndex(state);
  const { high } = allowed(state);
  const { estimate, now } = state;
  const hot = thermalOf(state.thermal) !== 'steady';
  if (here >= high || now - state.switchedAt < (hot ? TUNING.thermalDwellMs : TUNING.dwellMs)) return here;
  const young = estimate.level.weight < TUNING.dwellFrames;
  if (state.frames < TUNING.dwellFrames) return here;

  const target = state.target.targetMs;
  const spread = spreadOf(estimate);
  // At rest the rung above has been looked at many times: only a change of the device, not of the estimate, may open it.
  const rest = estimate.level.weight >= TUNING.restWeight ? exp(-TUNING.restCaution * spread) : 1;
  const limit = climbMargin(spread) * rest * target;
  // After a reversal, or a jump a moment ago, the present slowdown alone is not believed: it alternates.
  const isWary = young || state.reversals.some((at) => now - at < TUNING.waryMs);
  const wary = isWary ? exp(Math.max(0, worstOf(state) - estimate.level.value)) : 1;
  if (tailMs(estimate, rungAt(state, here + 1), now) * wary > limit) return here;
  const bar = lowestBarred(state);
  let reach = here;
  while (reach < high && reach + 1 < bar && tailMs(estimate, rungAt(state, reach + 1), now) * wary <= limit) reach++;
  if (reach === here) return here;
  const gain = rungAt(state, reach).accuracy - rungAt(state, here).accuracy;
  if (now - state.switchedAt < Math.min(TUNING.climbPriceMs / gain, TUNING.climbDwellMostMs)) return here;
  const roomy = tailMs(estimate, rungAt(state, here), now) * 2 <= target;
  return here + Math.min(reach - here, Math.max(roomy ? 2 : 1, Math.ceil((reach - here) * TUNING.climbShare)));
}

function climbMargin(spread: number): number {
  const noisy = (spread - TUNING.quietSpread) / (TUNING.noisySpread - TUNING.quietSpread);
  const bounded = Math.min(Math.max(noisy, 0), 2);
  return TUNING.climbMarginQuiet + bounded * (TUNING.climbMarginNoisy - TUNING.climbMarginQuiet);
}

/** Index of the lowest rung that must wait after a failed climb or a recent drop; what is dearer waits with it. */
function lowestBarred(state: ControlState): number {
  let bar = state.rungs.length;
  for (const [id, { until }] of Object.entries(state.retry)) {
    const index = indexOf(state, id);
    if (until > state.now && index >= 0) bar = Math.min(bar, index);
  }
  const last = state.lastSwitch;
  const left = last !== null && state.now - last.at <= TUNING.reversalMs ? indexOf(state, last.from) : -1;
  return left > currentIndex(state) ? Math.min(bar, left) : bar;
}
