/**
 * Key names of one plain vision transformer: timm's (which DeiT, DeiT III and SN-Net share) and Hugging Face's.
 * Source: the state dicts of timm 1.0 `VisionTransformer`, of DeiT III, and of transformers `ViTForImageClassification`.
 */

/** How a library names the parts of a ViT. A module has `.weight` and `.bias`; several modules are stacked by rows. */
export interface VitStyle {
  readonly title: string;
  /** In front of every key. */
  readonly prefix: string;
  readonly embed: { readonly proj: string; readonly cls: string; readonly pos: string };
  readonly block: (index: number) => {
    readonly modules: Readonly<Record<BlockPart, readonly string[]>>;
    /** Keys a LayerScale of the attention or the MLP may have. */
    readonly scales: { readonly proj: readonly string[]; readonly fc2: readonly string[] };
  };
  /** What stands before a block's number. */
  readonly blocks: string;
  readonly head: { readonly norm: string; readonly fc: string };
  /** Keys that change nothing about the logits. */
  readonly idle: RegExp;
}

type BlockPart = 'norm1' | 'qkv' | 'proj' | 'norm2' | 'fc1' | 'fc2';

const NEVER = /^(?!)/;

/** timm, DeiT and DeiT III. `prefix` e.g. `anchors.0.` */
export function timmStyle(prefix = ''): VitStyle {
  return {
    title: 'timm ViT/DeiT',
    prefix,
    embed: { proj: 'patch_embed.proj', cls: 'cls_token', pos: 'pos_embed' },
    blocks: 'blocks.',
    block: (n) => ({
      modules: {
        norm1: [`blocks.${n}.norm1`],
        qkv: [`blocks.${n}.attn.qkv`],
        proj: [`blocks.${n}.attn.proj`],
        norm2: [`blocks.${n}.norm2`],
        fc1: [`blocks.${n}.mlp.fc1`],
        fc2: [`blocks.${n}.mlp.fc2`],
      },
      scales: {
        proj: [`blocks.${n}.ls1.gamma`, `blocks.${n}.gamma_1`],
        fc2: [`blocks.${n}.ls2.gamma`, `blocks.${n}.gamma_2`],
      },
    }),
    head: { norm: 'norm', fc: 'head' },
    idle: NEVER,
  };
}

/** transformers `ViTForImageClassification` (`vit.`); `facebook/deit-*-patch16-224` are of that class too. */
export function huggingFaceStyle(prefix: 'vit.' | 'deit.' | ''): VitStyle {
  const layer = (n: number) => `${prefix}encoder.layer.${n}`;
  return {
    title: `Hugging Face ${prefix === 'deit.' ? 'DeiT' : 'ViT'}`,
    prefix: '',
    embed: {
      proj: `${prefix}embeddings.patch_embeddings.projection`,
      cls: `${prefix}embeddings.cls_token`,
      pos: `${prefix}embeddings.position_embeddings`,
    },
    blocks: `${prefix}encoder.layer.`,
    block: (n) => ({
      modules: {
        norm1: [`${layer(n)}.layernorm_before`],
        qkv: ['query', 'key', 'value'].map((part) => `${layer(n)}.attention.attention.${part}`),
        proj: [`${layer(n)}.attention.output.dense`],
        norm2: [`${layer(n)}.layernorm_after`],
        fc1: [`${layer(n)}.intermediate.dense`],
        fc2: [`${layer(n)}.output.dense`],
      },
      scales: { proj: [], fc2: [] },
    }),
    head: { norm: `${prefix}layernorm`, fc: 'classifier' },
    // The pooler of the backbone is not used by the classifier; the mask token is for pretraining.
    idle: /(^|\.)(pooler\.dense\.(weight|bias)|embeddings\.mask_token)$/,
  };
}

/** Which source keys make which of our tensors of an anchor. */
export interface VitPlan {
  readonly depth: number;
  /** By our name behind `anchors.<id>.`, e.g. `blocks.3.qkv.weight`: one key, or several to be stacked by rows. */
  readonly parts: ReadonlyMap<string, readonly string[]>;
  /** LayerScale keys by the module they are folded into, e.g. `blocks.3.proj`. */
  readonly scales: ReadonlyMap<string, string>;
  readonly idle: readonly string[];
}

const MAX_DEPTH = 1000;

/** The plan for these keys. Keys of `parts` may be missing: see {@link keysOf}. */
export function planVit(keys: ReadonlySet<string>, style: VitStyle): VitPlan {
  const { prefix, embed, head } = style;
  const parts = new Map<string, readonly string[]>();
  const module = (ours: string, modules: readonly string[]) => {
    for (const kind of ['weight', 'bias'])
      parts.set(
        `${ours}.${kind}`,
        modules.map((name) => `${prefix}${name}.${kind}`),
      );
  };
  module('embed.proj', [embed.proj]);
  parts.set('embed.cls', [prefix + embed.cls]);
  parts.set('embed.pos', [prefix + embed.pos]);
  const depth = countFrom(keys, prefix + style.blocks);
  const scales = new Map<string, string>();
  for (let n = 0; n < Math.max(1, depth); n++) {
    const block = style.block(n);
    for (const [ours, modules] of Object.entries(block.modules)) module(`blocks.${n}.${ours}`, modules);
    for (const ours of ['proj', 'fc2'] as const) {
      const scale = block.scales[ours].map((key) => prefix + key).find((key) => keys.has(key));
      if (scale !== undefined) scales.set(`blocks.${n}.${ours}`, scale);
    }
  }
  module('head.norm', [head.norm]);
  module('head.fc', [head.fc]);
  return { depth, parts, scales, idle: [...keys].filter((key) => style.idle.test(key)) };
}

/** Every key a plan reads. */
export const keysOf = ({ parts, scales }: VitPlan): string[] => [...[...parts.values()].flat(), ...scales.values()];

/** One more than the largest number behind `prefix` in these keys; 0 where there is none. */
export function countFrom(keys: Iterable<string>, prefix: string): number {
  let count = 0;
  for (const key of keys) {
    if (!key.startsWith(prefix)) continue;
    const number = /^\d{1,4}(?=\.)/.exec(key.slice(prefix.length));
    if (number !== null) count = Math.max(count, Number(number[0]) + 1);
  }
  return Math.min(count, MAX_DEPTH);
}
