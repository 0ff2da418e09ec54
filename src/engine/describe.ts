/** What the page is told about a loaded bundle and what runs it. */
import { bundleHash } from '../bundle/hash';
import { priorsFor } from '../bundle/priors';
import { toRouteInfo } from '../model/describe';
import type { EngineInfo, LoadTier } from './api';
import type { Candidate } from './choose';
import type { Network } from './network';

export async function describe(network: Network, { reason }: Candidate, tiers: readonly LoadTier[]): Promise<EngineInfo> {
  const { bundle, executor, ready, check } = network;
  const { manifest, manifestFrom, labels } = bundle;
  const { name, version, license, sources } = manifest;
  const priors = priorsFor(manifest.priors, executor.kind);
  return {
    executor: executor.kind,
    framesInFlight: executor.framesInFlight,
    batchSize: executor.batchSize,
    reason,
    ...(executor.adapter ? { adapter: executor.adapter } : {}),
    bundle: { name, version, license, sources, hash: await bundleHash(manifest) },
    manifestFrom,
    inputSize: manifest.input.size,
    labels,
    anchors: manifest.anchors.map((a) => ({ id: a.id, name: a.name, dim: a.config.dim, depth: a.config.depth })),
    routes: manifest.routes.map(toRouteInfo),
    ready,
    tiers,
    ...(priors ? { priors } : {}),
    check,
  };
}
