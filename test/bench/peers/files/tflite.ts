/**
 * The network as a TFLite file for LiteRT.js: builtin operators only, f32, NHWC pixels. Written directly, because Google's
 * converter is a large Python installation. Source of the numbers: schema.fbs of TensorFlow Lite 2.19.
 */
import { Builder } from 'flatbuffers';
import type { FloatTensor } from '../../../../src/tools/model/family';
import type { Model } from '../model';

/** BuiltinOperator, the type of its options in the union BuiltinOptions (0: none), and the operator's version. */
const OPERATORS = {
  ADD: [0, 11, 1],
  CONCATENATION: [2, 10, 1],
  CONV_2D: [3, 1, 1],
  FULLY_CONNECTED: [9, 8, 5],
  MUL: [18, 21, 1],
  RESHAPE: [22, 17, 1],
  SOFTMAX: [25, 9, 1],
  TRANSPOSE: [39, 26, 1],
  MEAN: [40, 27, 1],
  SUB: [41, 28, 1],
  SLICE: [65, 48, 1],
  RSQRT: [76, 0, 1],
  SQUARED_DIFFERENCE: [99, 76, 1],
  BATCH_MATMUL: [126, 101, 1],
  GELU: [150, 116, 1],
} as const;
type Operator = keyof typeof OPERATORS;

/** A field of an options table: its slot and value. */
type Field = readonly [kind: 'bool' | 'int' | 'float', slot: number, value: number];
const PADDING_VALID = 1;
const KEEP_DIMS: Field = ['bool', 0, 1];
const OPTIONS: Partial<Record<Operator, readonly Field[]>> = {
  FULLY_CONNECTED: [['bool', 2, 1]],
  SOFTMAX: [['float', 0, 1]],
  MEAN: [KEEP_DIMS],
};
const TYPE = { float: 0, int: 2 } as const;
const SCHEMA_VERSION = 3;

interface Tensor {
  readonly shape: readonly number[];
  readonly type: number;
  readonly data?: Float32Array | Int32Array;
}

class Graph {
  readonly tensors: Tensor[] = [];
  readonly operators: {
    readonly kind: Operator;
    readonly inputs: readonly number[];
    readonly output: number;
    readonly fields: readonly Field[];
  }[] = [];
  readonly #ints = new Map<string, number>();

  tensor(shape: readonly number[], data?: Float32Array): number {
    return this.tensors.push({ shape, type: TYPE.float, ...(data === undefined ? {} : { data }) }) - 1;
  }

  ints(values: readonly number[]): number {
    const key = values.join();
    const known = this.#ints.get(key);
    if (known !== undefined) return known;
    const made = this.tensors.push({ shape: [values.length], type: TYPE.int, data: Int32Array.from(values) }) - 1;
    this.#ints.set(key, made);
    return made;
  }

  /** One operator; returns its output of this shape. */
  node(kind: Operator, inputs: readonly number[], shape: readonly number[], fields = OPTIONS[kind] ?? []): number {
    const output = this.tensor(shape);
    this.operators.push({ kind, inputs, output, fields });
    return output;
  }

  encode(input: number, output: number): Uint8Array {
    const b = new Builder(this.tensors.reduce((bytes, { data }) => bytes + (data?.byteLength ?? 0), 1 << 20));
    const ints = (values: readonly number[]) => {
      b.startVector(4, values.length, 4);
      for (const value of [...values].reverse()) b.addInt32(value);
      return b.endVector();
    };
    const offsets = (values: readonly number[]) => {
      b.startVector(4, values.length, 4);
      for (const value of [...values].reverse()) b.addOffset(value);
      return b.endVector();
    };
    const withData = this.tensors.flatMap(({ data }) => (data === undefined ? [] : [data]));
    // Buffer 0 stands for "no data".
    const buffers = [undefined, ...withData].map((data) => {
      const vector = data === undefined ? 0 : alignedBytes(b, new Int32Array(data.buffer, data.byteOffset, data.length));
      b.startObject(1);
      b.addFieldOffset(0, vector, 0);
      return b.endObject();
    });
    const tensors = this.tensors.map(({ shape, type, data }, index) => {
      const name = b.createString(index === input ? 'pixels' : index === output ? 'logits' : `t${index}`);
      const dims = ints(shape);
      b.startObject(9);
      b.addFieldOffset(0, dims, 0);
      b.addFieldInt8(1, type, 0);
      b.addFieldInt32(2, data === undefined ? 0 : withData.indexOf(data) + 1, 0);
      b.addFieldOffset(3, name, 0);
      b.addFieldInt8(8, 1, 0); // has_rank
      return b.endObject();
    });
    const kinds = [...new Set(this.operators.map(({ kind }) => kind))];
    const operators = this.operators.map(({ kind, inputs, output: made, fields }) => {
      const [, optionsType] = OPERATORS[kind];
      const ins = ints(inputs);
      const outs = ints([made]);
      const options = optionsType === 0 ? 0 : optionsTable(b, fields);
      b.startObject(5);
      b.addFieldInt32(0, kinds.indexOf(kind), 0);
      b.addFieldOffset(1, ins, 0);
      b.addFieldOffset(2, outs, 0);
      b.addFieldInt8(3, optionsType, 0);
      b.addFieldOffset(4, options, 0);
      return b.endObject();
    });
    const codes = kinds.map((kind) => {
      const [code, , version] = OPERATORS[kind];
      b.startObject(4);
      b.addFieldInt8(0, Math.min(code, 127), 0); // deprecated_builtin_code, a byte
      b.addFieldInt32(2, version, 0);
      b.addFieldInt32(3, code, 0);
      return b.endObject();
    });
    const parts = [offsets(tensors), ints([input]), ints([output]), offsets(operators), b.createString('main')];
    b.startObject(5);
    for (const [slot, part] of parts.entries()) b.addFieldOffset(slot, part, 0);
    const graph = b.endObject();
    const [codeVector, graphs, bufferVector] = [offsets(codes), offsets([graph]), offsets(buffers)];
    b.startObject(5);
    b.addFieldInt32(0, SCHEMA_VERSION, 0);
    b.addFieldOffset(1, codeVector, 0);
    b.addFieldOffset(2, graphs, 0);
    b.addFieldOffset(4, bufferVector, 0);
    b.finish(b.endObject(), 'TFL3');
    return b.asUint8Array();
  }
}

/** A vector of bytes from a multiple of 16, as the schema wants weights. Whole words, because the builder writes one at a time. */
function alignedBytes(b: Builder, words: Int32Array): number {
  b.startVector(1, words.byteLength, 16);
  for (let i = words.length - 1; i >= 0; i -= 1) b.writeInt32(words[i]!);
  return b.endVector();
}

function optionsTable(b: Builder, fields: readonly Field[]): number {
  b.startObject(6);
  for (const [kind, slot, value] of fields) {
    // No default: a value that equals the schema's is written too.
    if (kind === 'bool') b.addFieldInt8(slot, value, -1);
    else if (kind === 'int') b.addFieldInt32(slot, value, -99);
    else b.addFieldFloat32(slot, value, -99);
  }
  return b.endObject();
}

/** Input `pixels` [1, S, S, 3], output `logits` [1, 1, C], both f32. */
export function writeTflite(model: Model): Uint8Array {
  const { dim, heads, patch, depth, eps } = model.config;
  const { size } = model;
  const grid = size / patch;
  const tokens = 1 + grid * grid;
  const headDim = dim / heads;
  const perHead = [1, heads, tokens, headDim];
  const g = new Graph();
  const weight = (name: string, shape?: readonly number[]) => {
    const { shape: own, data } = model.get(name);
    return g.tensor(shape ?? own, data);
  };
  const scalar = (value: number) => g.tensor([1], Float32Array.of(value));
  const linear = (x: number, rows: number, name: string): number => {
    const bias = model.get(`${name}.bias`);
    return g.node('FULLY_CONNECTED', [x, weight(`${name}.weight`), weight(`${name}.bias`)], [1, rows, bias.data.length]);
  };
  const epsilon = scalar(eps);
  const norm = (x: number, rows: number, name: string): number => {
    const whole = [1, rows, dim];
    const perRow = [1, rows, 1];
    const mean = g.node('MEAN', [x, g.ints([2])], perRow);
    const variance = g.node('MEAN', [g.node('SQUARED_DIFFERENCE', [x, mean], whole), g.ints([2])], perRow);
    const factor = g.node('RSQRT', [g.node('ADD', [variance, epsilon], perRow)], perRow);
    const normal = g.node('MUL', [g.node('SUB', [x, mean], whole), factor], whole);
    return g.node('ADD', [g.node('MUL', [normal, weight(`${name}.weight`)], whole), weight(`${name}.bias`)], whole);
  };
  const scale = scalar(headDim ** -0.5);
  const attention = (qkv: number): number => {
    const part = (index: number): number => {
      const cut = g.node('SLICE', [qkv, g.ints([0, 0, index * dim]), g.ints([1, tokens, dim])], [1, tokens, dim]);
      const split = g.node('RESHAPE', [cut, g.ints([1, tokens, heads, headDim])], [1, tokens, heads, headDim]);
      return g.node('TRANSPOSE', [split, g.ints([0, 2, 1, 3])], perHead); // [1, N, H, d] -> [1, H, N, d]
    };
    const query = g.node('MUL', [part(0), scale], perHead);
    const scores = g.node('BATCH_MATMUL', [query, part(1)], [1, heads, tokens, tokens], [['bool', 1, 1]]); // adj_y
    const mixed = g.node('BATCH_MATMUL', [g.node('SOFTMAX', [scores], [1, heads, tokens, tokens]), part(2)], perHead);
    const turned = g.node('TRANSPOSE', [mixed, g.ints([0, 2, 1, 3])], [1, tokens, heads, headDim]);
    return g.node('RESHAPE', [turned, g.ints([1, tokens, dim])], [1, tokens, dim]);
  };

  const input = g.tensor([1, size, size, 3]);
  const filters = filtersOhwi(model.get('embed.proj.weight'));
  const strides: Field[] = [
    ['bool', 0, PADDING_VALID],
    ['int', 1, patch],
    ['int', 2, patch],
    ['int', 4, 1],
    ['int', 5, 1],
  ];
  const conv = [input, g.tensor(filters.shape, filters.data as Float32Array), weight('embed.proj.bias')];
  const image = g.node('CONV_2D', conv, [1, grid, grid, dim], strides);
  const patches = g.node('RESHAPE', [image, g.ints([1, tokens - 1, dim])], [1, tokens - 1, dim]);
  const whole = [1, tokens, dim];
  let x = g.node('CONCATENATION', [weight('embed.cls', [1, 1, dim]), patches], whole, [['int', 0, 1]]);
  x = g.node('ADD', [x, weight('embed.pos', whole)], whole);
  for (let block = 0; block < depth; block += 1) {
    const at = (part: string) => `blocks.${block}.${part}`;
    const mixed = attention(linear(norm(x, tokens, at('norm1')), tokens, at('qkv')));
    x = g.node('ADD', [x, linear(mixed, tokens, at('proj'))], whole);
    const hidden = linear(norm(x, tokens, at('norm2')), tokens, at('fc1'));
    const active = g.node('GELU', [hidden], [1, tokens, model.config.mlp]);
    x = g.node('ADD', [x, linear(active, tokens, at('fc2'))], whole);
  }
  const cls = g.node('SLICE', [x, g.ints([0, 0, 0]), g.ints([1, 1, dim])], [1, 1, dim]);
  return g.encode(input, linear(norm(cls, 1, 'head.norm'), 1, 'head.fc'));
}

/** [out, in, height, width] -> [out, height, width, in] */
function filtersOhwi({ shape: [out = 0, channels = 0, height = 0, width = 0], data }: FloatTensor): FloatTensor {
  const turned = new Float32Array(data.length);
  for (let o = 0; o < out; o += 1) {
    for (let c = 0; c < channels; c += 1) {
      for (let p = 0; p < height * width; p += 1) {
        turned[(o * height * width + p) * channels + c] = data[(o * channels + c) * height * width + p]!;
      }
    }
  }
  return { shape: [out, height, width, channels], data: turned };
}
