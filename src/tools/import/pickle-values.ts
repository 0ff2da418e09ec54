/** What a pickle may hold here: plain data, and names of what is not. No value of these has behaviour. */

/** A Python tuple; lists are arrays. */
export class PickleTuple {
  readonly items: readonly unknown[];
  constructor(items: readonly unknown[]) {
    this.items = items;
  }
}

/** A dict or OrderedDict, in order. `state` is what a subclass or attribute added. */
export class PickleDict {
  readonly entries = new Map<unknown, unknown>();
  state: unknown = undefined;
}

/** A set or frozenset; never looked into further. */
export class PickleSet {
  readonly items: unknown[] = [];
}

/** A class or function of Python, by name only. */
export class PickleGlobal {
  /** `module.name` */
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** What a class or function that this reader does not know would have made. It was not called. */
export class InertRecord {
  /** Of the class or function, `module.name`. */
  readonly name: string;
  readonly args: unknown;
  state: unknown = undefined;
  readonly items: unknown[] = [];
  constructor(name: string, args: unknown) {
    this.name = name;
    this.args = args;
  }
}

/** Everything directly inside a value. */
export function childrenOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (value instanceof PickleTuple || value instanceof PickleSet) return value.items;
  if (value instanceof PickleDict) return [...value.entries.keys(), ...value.entries.values(), value.state];
  if (value instanceof InertRecord) return [value.args, value.state, ...value.items];
  return [];
}

/** Characters that are copied at the price of one object. */
const CHARACTERS = 64;

/** What copying a value costs, in objects. */
export function sizeOf(value: unknown): number {
  if (Array.isArray(value)) return value.length;
  if (typeof value === 'string') return Math.floor(value.length / CHARACTERS);
  if (value instanceof PickleTuple || value instanceof PickleSet || value instanceof InertRecord) return value.items.length;
  return value instanceof PickleDict ? 2 * value.entries.size : 0;
}

/** Visits `root` and everything in it once, without recursion: a hostile file nests deep and shares much. */
export function visit(root: unknown, see: (value: unknown) => void): void {
  const seen = new Set<unknown>();
  const queue: unknown[] = [root];
  while (queue.length > 0) {
    const value = queue.pop();
    if (typeof value === 'object' && value !== null) {
      if (seen.has(value)) continue;
      seen.add(value);
    }
    see(value);
    for (const child of childrenOf(value)) queue.push(child);
  }
}
