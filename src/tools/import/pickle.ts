/**
 * A pickle reader that executes nothing: the opcodes of protocols 2–5 build plain containers; a class or function is a name,
 * and what it would have been called with becomes an inert record, unless the host knows how to read it.
 * Source: the opcode descriptions of CPython's pickletools module.
 */
import { invalid } from './file';
import { PickleReader } from './pickle-reader';
import { InertRecord, PickleDict, PickleGlobal, PickleSet, PickleTuple, sizeOf } from './pickle-values';

/** What the few known names mean. */
export interface PickleHost {
  /** Whether a global may stand anywhere without being reported. */
  knows(name: string): boolean;
  /** The value of `name(...args)`, or undefined where it is to stay inert. */
  build(name: string, args: readonly unknown[]): unknown;
  /** The value of a persistent id. */
  persistent(id: unknown): unknown;
}

export interface Unpickled {
  readonly value: unknown;
  /** Names of globals the host does not know, each once, in order. */
  readonly unknown: readonly string[];
}

/** More than any checkpoint needs, and little enough for any machine. */
export const PICKLE_LIMITS = { bytes: 2 ** 26, stack: 2 ** 20, marks: 4096, objects: 2 ** 22 };

const MAKE_AGAIN = 'Load it in a Python environment that trusts it and save only model.state_dict(), best as safetensors.';

/**
 * Reads one pickle; `file` and `entry` name it in messages. Errors: bundle-invalid for opcodes outside the set, truncated
 * data, and more nesting, objects or bytes than {@link PICKLE_LIMITS}.
 */
export function unpickle(bytes: Uint8Array, host: PickleHost, file: string, entry: string): Unpickled {
  return new Machine(bytes, host, (problem) => invalid(file, entry, problem, MAKE_AGAIN)).run();
}

class Machine {
  readonly #read: PickleReader;
  readonly #host: PickleHost;
  readonly #fail: (problem: string) => never;
  readonly #memo = new Map<number, unknown>();
  readonly #unknown = new Set<string>();
  readonly #marks: number[] = [];
  #stack: unknown[] = [];
  #objects = 0;

  constructor(bytes: Uint8Array, host: PickleHost, fail: (problem: string) => never) {
    this.#read = new PickleReader(bytes, fail);
    this.#host = host;
    this.#fail = fail;
  }

  run(): Unpickled {
    if (this.#read.bytes > PICKLE_LIMITS.bytes) this.#fail(`the pickle has ${this.#read.bytes} bytes`);
    for (;;) {
      const opcode = this.#read.uint(1);
      if (opcode === 0x2e) return { value: this.#pop(), unknown: [...this.#unknown] }; // STOP
      this.#step(opcode);
      if (this.#stack.length > PICKLE_LIMITS.stack) this.#fail(`it nests or stacks more than ${PICKLE_LIMITS.stack} values`);
      this.#checkObjects();
    }
  }

  /** One opcode with its argument. Names in the comments are pickletools'. */
  #step(opcode: number): void {
    switch (opcode) {
      case 0x80: // PROTO
        return this.#protocol(this.#read.uint(1));
      case 0x95: // FRAME
        return void this.#read.take(8);
      case 0x28: // MARK
        this.#marks.push(this.#stack.length);
        return this.#marks.length > PICKLE_LIMITS.marks
          ? this.#fail(`it nests deeper than ${PICKLE_LIMITS.marks} levels`)
          : undefined;
      case 0x30: // POP
        return void (this.#stack.length === this.#marks.at(-1) ? this.#marks.pop() : this.#pop());
      case 0x31: // POP_MARK
        return void this.#toMark();
      case 0x32: // DUP
        return this.#push(this.#top());
      case 0x4e: // NONE
        return this.#push(null);
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        return this.#push(opcode === 0x88);
      case 0x4a: // BININT
        return this.#push(this.#read.uint(4) | 0);
      case 0x4b: // BININT1
        return this.#push(this.#read.uint(1));
      case 0x4d: // BININT2
        return this.#push(this.#read.uint(2));
      case 0x8a: // LONG1
        return this.#push(this.#read.long(this.#read.uint(1)));
      case 0x8b: // LONG4
        return this.#push(this.#read.long(this.#read.uint(4)));
      case 0x47: // BINFLOAT
        return this.#push(this.#read.float());
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING, text of Python 2
        return this.#push(this.#read.string(1));
      case 0x58: // BINUNICODE
      case 0x54: // BINSTRING
        return this.#push(this.#read.string(4));
      case 0x8d: // BINUNICODE8
        return this.#push(this.#read.string(8));
      case 0x43: // SHORT_BINBYTES
        return this.#push(this.#read.raw(1));
      case 0x42: // BINBYTES
        return this.#push(this.#read.raw(4));
      case 0x8e: // BINBYTES8
      case 0x96: // BYTEARRAY8
        return this.#push(this.#read.raw(8));
      default:
        return this.#structure(opcode);
    }
  }

  /** Containers, memo and objects. */
  #structure(opcode: number): void {
    switch (opcode) {
      case 0x5d: // EMPTY_LIST
        return this.#made([]);
      case 0x29: // EMPTY_TUPLE
        return this.#made(new PickleTuple([]));
      case 0x7d: // EMPTY_DICT
        return this.#made(new PickleDict());
      case 0x8f: // EMPTY_SET
        return this.#made(new PickleSet());
      case 0x61: // APPEND
        return this.#extend([this.#pop()]);
      case 0x65: // APPENDS
      case 0x90: // ADDITEMS
        return this.#extend(this.#toMark());
      case 0x73: // SETITEM
        return this.#fill([this.#pop(), this.#pop()].reverse());
      case 0x75: // SETITEMS
        return this.#fill(this.#toMark());
      case 0x74: // TUPLE
        return this.#made(new PickleTuple(this.#toMark()));
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        return this.#made(new PickleTuple(Array.from({ length: opcode - 0x84 }, () => this.#pop()).reverse()));
      case 0x6c: // LIST
        return this.#made(this.#toMark());
      case 0x64: {
        const items = this.#toMark(); // DICT
        this.#made(new PickleDict());
        return this.#fill(items);
      }
      case 0x91: {
        const set = new PickleSet(); // FROZENSET
        for (const item of this.#toMark()) set.items.push(item);
        return this.#made(set);
      }
      case 0x71: // BINPUT
        return this.#remember(this.#read.uint(1));
      case 0x72: // LONG_BINPUT
        return this.#remember(this.#read.uint(4));
      case 0x94: // MEMOIZE
        return this.#remember(this.#memo.size);
      case 0x68: // BINGET
        return this.#push(this.#recall(this.#read.uint(1)));
      case 0x6a: // LONG_BINGET
        return this.#push(this.#recall(this.#read.uint(4)));
      case 0x63: // GLOBAL
        return this.#global(`${this.#read.line()}.${this.#read.line()}`);
      case 0x93: {
        const [name, module] = [this.#pop(), this.#pop()]; // STACK_GLOBAL
        if (typeof name !== 'string' || typeof module !== 'string')
          return this.#fail('a class is named by something that is no text');
        return this.#global(`${module}.${name}`);
      }
      case 0x52: // REDUCE
      case 0x81: {
        const args = this.#pop(); // NEWOBJ
        return this.#call(this.#pop(), args);
      }
      case 0x92: {
        const [named, args] = [this.#pop(), this.#pop()]; // NEWOBJ_EX
        return this.#made(new InertRecord(this.#nameOf(this.#pop()), [args, named]));
      }
      case 0x62: // BUILD
        return this.#setState(this.#pop());
      case 0x51: // BINPERSID
        return this.#made(this.#host.persistent(this.#pop()));
      default: {
        const shown = opcode.toString(16).padStart(2, '0');
        return this.#fail(`opcode 0x${shown} at byte ${this.#read.at - 1} is none that a checkpoint needs`);
      }
    }
  }

  #protocol(version: number): void {
    if (version < 2 || version > 5) this.#fail(`it is of pickle protocol ${version}, and 2 to 5 are read`);
  }

  #global(name: string): void {
    if (!this.#host.knows(name)) this.#unknown.add(name.slice(0, 200));
    this.#made(new PickleGlobal(name.slice(0, 200)));
  }

  #nameOf(callee: unknown): string {
    if (callee instanceof PickleGlobal) return callee.name;
    if (callee instanceof InertRecord) return `${callee.name}()`.slice(0, 200);
    return this.#fail('it calls something that is no class and no function');
  }

  #call(callee: unknown, args: unknown): void {
    const name = this.#nameOf(callee);
    const list = args instanceof PickleTuple ? args.items : this.#fail(`it calls ${name} with something that is no tuple`);
    const read = callee instanceof PickleGlobal && this.#host.knows(name);
    if (read) this.#charge(list);
    const known = read ? this.#host.build(name, list) : undefined;
    this.#made(known ?? new InertRecord(name, args));
  }

  /** What is built of a value may copy it: a large one, shared by many calls, counts in each. */
  #charge(args: readonly unknown[]): void {
    for (const arg of args) this.#objects += sizeOf(arg);
    this.#checkObjects();
  }

  #checkObjects(): void {
    if (this.#objects > PICKLE_LIMITS.objects) this.#fail(`it makes more than ${PICKLE_LIMITS.objects} objects`);
  }

  #setState(state: unknown): void {
    const target = this.#top();
    if (target instanceof PickleDict || target instanceof InertRecord) target.state = state;
    else this.#fail('it sets the state of something that has none');
  }

  #extend(items: readonly unknown[]): void {
    const target = this.#top();
    const list = Array.isArray(target)
      ? target
      : target instanceof PickleSet || target instanceof InertRecord
        ? target.items
        : undefined;
    if (list === undefined) return this.#fail('it appends to something that is no list');
    for (const item of items) list.push(item);
  }

  #fill(items: readonly unknown[]): void {
    const target = this.#top();
    if (items.length % 2 !== 0) this.#fail('a dict has a key without a value');
    if (target instanceof InertRecord) return this.#extend(items);
    if (!(target instanceof PickleDict)) return this.#fail('it sets items of something that is no dict');
    for (let n = 0; n < items.length; n += 2) target.entries.set(items[n], items[n + 1]);
  }

  #remember(key: number): void {
    this.#objects++;
    this.#memo.set(key, this.#top());
  }

  #recall(key: number): unknown {
    return this.#memo.has(key) ? this.#memo.get(key) : this.#fail(`it recalls value ${key}, which it never stored`);
  }

  #push(value: unknown): void {
    this.#stack.push(value);
  }

  #made(value: unknown): void {
    this.#objects++;
    this.#stack.push(value);
  }

  #top(): unknown {
    const length = this.#stack.length;
    return length > (this.#marks.at(-1) ?? 0) ? this.#stack[length - 1] : this.#fail('it takes a value that is not there');
  }

  #pop(): unknown {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }

  #toMark(): unknown[] {
    return this.#stack.splice(this.#marks.pop() ?? this.#fail('it goes back to a mark that is not there'));
  }
}
