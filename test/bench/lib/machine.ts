/** What a figure was measured on, without naming the machine. */
import { arch, cpus, platform, totalmem } from 'node:os';
import { InvalidArgumentError } from 'commander';

/** Processor, cores, memory, system. */
export function machineClass(): string {
  const all = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${all[0]?.model.trim() ?? 'unknown processor'} × ${all.length}, ${memory} GiB, ${platform()} ${arch()}`;
}

/** A whole number of at least `least`, for commander. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be a whole number of at least ${least}.`);
  };
}
