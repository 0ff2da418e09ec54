/** A decision as one sentence for people. */
import type { Decision, Signals } from './types';

export function explain(decision: Decision): string {
  const { reason } = decision;
  const target = ms(decision.targetMs);
  const route = routeClause(decision);
  const took = decision.observedMs === undefined ? 'Frames took too long' : `Frames took ${ms(decision.observedMs)}`;
  switch (reason) {
    case 'start':
      return `Starting with ${decision.to} (predicted ${ms(decision.predictedMs)}, ${target} allowed).`;
    case 'over-budget':
      // The frame that tipped the balance may itself have fitted: what counts is the share of frames that fit.
      return decision.observedMs !== undefined && decision.observedMs <= decision.targetMs
        ? `Too many frames would miss the ${target} budget: ${route}.`
        : `${took}, over the ${target} budget: ${route}.`;
    case 'panic':
      return `${took}, far over the ${target} budget: ${route}.`;
    case 'probe-failed':
      return `The step up did not hold within ${target}: ${route}, to be tried again later.`;
    case 'headroom':
      return `Frames fit the ${target} budget with room to spare: ${route}.`;
    case 'budget-changed':
      return `The budget is now ${ms(decision.budgetMs)}: ${route}.`;
    case 'battery':
      return `${battery(decision.signals)}: one inference may take ${target} of the ${ms(decision.budgetMs)} budget, ${route}.`;
    case 'pressure':
      return `${pressure(decision.signals)}: ${route}.`;
    case 'save-data':
      return `Saving data is ${decision.signals?.saveData ? 'asked for' : 'no longer asked for'}: one inference may take ${target}, ${route}.`;
    case 'visibility':
      return `The page is ${decision.signals?.visible ? 'visible again' : 'hidden'}: classifying ${percent(decision.duty)} of frames.`;
    case 'duty':
      return `${decision.to} takes about ${ms(decision.predictedMs)} against ${target}: classifying ${percent(decision.duty)} of frames.`;
    case 'page-jank':
      return `The page's own animation ${decision.duty < 1 ? 'must stay smooth' : 'runs smoothly'}: classifying ${percent(decision.duty)} of frames.`;
    case 'mode':
      return `As chosen by hand: ${route}.`;
    case 'ladder':
      return `The available networks changed: ${route}.`;
    case 'hold':
      return `Holding: ${route}.`;
  }
}

function routeClause({ from, to, predictedMs, reason }: Decision): string {
  if (from === to) return `staying at ${to} (predicted ${ms(predictedMs)})`;
  const way =
    reason === 'headroom' ? 'up ' : reason === 'over-budget' || reason === 'panic' || reason === 'probe-failed' ? 'down ' : '';
  return `${way}from ${from} to ${to} (predicted ${ms(predictedMs)})`;
}

function battery(signals: Signals | undefined): string {
  if (!signals?.battery.known) return 'The battery is unknown';
  const level = `Battery at ${percent(signals.battery.level)}`;
  return `${level} and ${signals.battery.charging ? 'charging' : 'discharging'}`;
}

function pressure(signals: Signals | undefined): string {
  const level = signals?.pressure ?? 'unknown';
  return level === 'serious' || level === 'critical'
    ? `The processor is under ${level} pressure`
    : 'The pressure on the processor is over';
}

function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
