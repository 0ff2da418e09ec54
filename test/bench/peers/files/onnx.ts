/**
 * The network as an ONNX file, opset 20, with the operators that exist for its parts (LayerNormalization, Gelu). Attention comes
 * in two forms: `plain` is what PyTorch's exporter makes of timm's unfused attention; `fused` is onnxruntime's own operator, which
 * its transformer optimiser would put there. Source of the format: onnx.proto3 of ONNX 1.17.
 */
import protobuf from 'protobufjs';
import type { FloatTensor } from '../../../../src/tools/model/family';
import { type Model, transposed } from '../model';

export type AttentionForm = 'plain' | 'fused';

const PROTO = `syntax = "proto3";
message Attribute { string name = 1; float f = 2; int64 i = 3; repeated int64 ints = 8; int32 type = 20; }
message Node { repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4;
  repeated Attribute attribute = 5; string domain = 7; }
message Tensor { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
message Dimension { int64 dim_value = 1; }
message Shape { repeated Dimension dim = 1; }
message TensorType { int32 elem_type = 1; Shape shape = 2; }
message Type { TensorType tensor_type = 1; }
message ValueInfo { string name = 1; Type type = 2; }
message Graph { repeated Node node = 1; string name = 2; repeated Tensor initializer = 5; repeated ValueInfo input = 11;
  repeated ValueInfo output = 12; }
message OperatorSet { string domain = 1; int64 version = 2; }
message Model { int64 ir_version = 1; string producer_name = 2; Graph graph = 7; repeated OperatorSet opset_import = 8; }`;

const IR_VERSION = 9;
const OPSET = 20;
const FLOAT = 1;
const INT64 = 7;
const ATTRIBUTE = { float: 1, int: 2, ints: 7 } as const;

type Attributes = Readonly<Record<string, number | readonly number[] | { readonly float: number }>>;

class Graph {
  readonly #nodes: object[] = [];
  readonly #initializers = new Map<string, object>();

  /** One node with one output, or `outputs` of them; returns their names. */
  many(type: string, inputs: readonly string[], outputs: number, attributes: Attributes = {}, domain = ''): string[] {
    const name = `${type}.${this.#nodes.length}`;
    const output = Array.from({ length: outputs }, (_, i) => (outputs === 1 ? name : `${name}.${i}`));
    this.#nodes.push({
      input: inputs,
      output,
      name,
      opType: type,
      domain,
      attribute: Object.entries(attributes).map(([key, value]) => attribute(key, value)),
    });
    return output;
  }

  node(type: string, inputs: readonly string[], attributes: Attributes = {}, domain = ''): string {
    return this.many(type, inputs, 1, attributes, domain)[0]!;
  }

  floats(name: string, { shape, data }: FloatTensor): string {
    return this.#add(name, { dims: shape, dataType: FLOAT, name, rawData: bytesOf(data) });
  }

  ints(values: readonly number[]): string {
    const name = `ints ${values.join(' ')}`;
    const data = BigInt64Array.from(values, BigInt);
    return this.#add(name, { dims: [values.length], dataType: INT64, name, rawData: bytesOf(data) });
  }

  /** Renames what the last node gives to the graph's output, and encodes. */
  encode(input: [name: string, shape: readonly number[]], output: [name: string, shape: readonly number[]]): Uint8Array {
    const last = this.#nodes.at(-1) as { output: string[] };
    last.output = [output[0]];
    const type = protobuf.parse(PROTO).root.lookupType('Model');
    const message = {
      irVersion: IR_VERSION,
      producerName: 'running-stitch',
      graph: {
        node: this.#nodes,
        name: 'vit',
        initializer: [...this.#initializers.values()],
        input: [valueInfo(...input)],
        output: [valueInfo(...output)],
      },
      opsetImport: [
        { domain: '', version: OPSET },
        { domain: 'com.microsoft', version: 1 },
      ],
    };
    return type.encode(type.fromObject(message)).finish();
  }

  #add(name: string, tensor: object): string {
    if (!this.#initializers.has(name)) this.#initializers.set(name, tensor);
    return name;
  }
}

const bytesOf = (data: ArrayBufferView) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength);

function attribute(name: string, value: Attributes[string]): object {
  if (typeof value === 'number') return { name, i: value, type: ATTRIBUTE.int };
  if ('float' in value) return { name, f: value.float, type: ATTRIBUTE.float };
  return { name, ints: value, type: ATTRIBUTE.ints };
}

function valueInfo(name: string, shape: readonly number[]): object {
  const dim = shape.map((size) => ({ dimValue: size }));
  return { name, type: { tensorType: { elemType: FLOAT, shape: { dim } } } };
}

/** Input `pixels` [1, 3, S, S], output `logits` [1, C], both f32. */
export function writeOnnx(model: Model, form: AttentionForm): Uint8Array {
  const { dim, heads, patch, depth, eps } = model.config;
  const grid = model.size / patch;
  const tokens = 1 + grid * grid;
  const headDim = dim / heads;
  const g = new Graph();
  const weight = (name: string) => g.floats(name, model.get(name));
  const reshaped = (name: string, shape: readonly number[]) => g.floats(name, { shape, data: model.get(name).data });
  const linear = (x: string, name: string): string => {
    const product = g.node('MatMul', [x, g.floats(`${name}.weight`, transposed(model.get(`${name}.weight`)))]);
    return g.node('Add', [product, weight(`${name}.bias`)]);
  };
  const norm = (x: string, name: string): string =>
    g.node('LayerNormalization', [x, weight(`${name}.weight`), weight(`${name}.bias`)], { axis: -1, epsilon: { float: eps } });
  const plainAttention = (qkv: string): string => {
    const split = g.node('Reshape', [qkv, g.ints([1, tokens, 3, heads, headDim])]); // [1, N, 3D] -> [1, N, 3, H, d]
    const turned = g.node('Transpose', [split], { perm: [2, 0, 3, 1, 4] }); // -> [3, 1, H, N, d]
    const parts = g.many('Split', [turned, g.ints([1, 1, 1])], 3, { axis: 0 });
    const [q, k, v] = parts.map((part) => g.node('Squeeze', [part, g.ints([0])])) as [string, string, string]; // [1, H, N, d]
    const factor = g.floats('scale', { shape: [], data: Float32Array.of(headDim ** -0.5) });
    const scores = g.node('MatMul', [g.node('Mul', [q, factor]), g.node('Transpose', [k], { perm: [0, 1, 3, 2] })]);
    const mixed = g.node('MatMul', [g.node('Softmax', [scores], { axis: -1 }), v]); // [1, H, N, d]
    return g.node('Reshape', [g.node('Transpose', [mixed], { perm: [0, 2, 1, 3] }), g.ints([1, tokens, dim])]);
  };
  const fusedAttention = (qkv: string): string => {
    const parts = g.many('Split', [qkv, g.ints([dim, dim, dim])], 3, { axis: 2 }); // [1, N, 3D] -> 3 × [1, N, D]
    return g.node('MultiHeadAttention', parts, { num_heads: heads }, 'com.microsoft');
  };
  const attention = form === 'plain' ? plainAttention : fusedAttention;

  const strides = { kernel_shape: [patch, patch], strides: [patch, patch] };
  const conv = g.node('Conv', ['pixels', weight('embed.proj.weight'), weight('embed.proj.bias')], strides); // [1, D, G, G]
  const flat = g.node('Reshape', [conv, g.ints([1, dim, grid * grid])]);
  const patches = g.node('Transpose', [flat], { perm: [0, 2, 1] }); // [1, D, G²] -> [1, G², D]
  let x = g.node('Concat', [reshaped('embed.cls', [1, 1, dim]), patches], { axis: 1 });
  x = g.node('Add', [x, reshaped('embed.pos', [1, tokens, dim])]);
  for (let block = 0; block < depth; block += 1) {
    const at = (part: string) => `blocks.${block}.${part}`;
    const mixed = attention(linear(norm(x, at('norm1')), at('qkv')));
    x = g.node('Add', [x, linear(mixed, at('proj'))]);
    const hidden = g.node('Gelu', [linear(norm(x, at('norm2')), at('fc1'))]);
    x = g.node('Add', [x, linear(hidden, at('fc2'))]);
  }
  const first = g.node('Slice', [x, g.ints([0]), g.ints([1]), g.ints([1])]); // [1, N, D] -> [1, 1, D]
  const cls = g.node('Reshape', [first, g.ints([1, dim])]);
  g.node('Gemm', [norm(cls, 'head.norm'), weight('head.fc.weight'), weight('head.fc.bias')], { transB: 1 });
  return g.encode(['pixels', [1, 3, model.size, model.size]], ['logits', [1, model.classes]]);
}
