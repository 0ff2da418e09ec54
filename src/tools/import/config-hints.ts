/** What a `config.json` of Hugging Face or timm adds to the weights: heads, preprocessing, class names. All of it untrusted. */
import type { InputSpec } from '../../bundle/manifest';

export interface ConfigHints {
  readonly heads?: number;
  /** As the config says; for DeiT it says 1e-12, and the weights were trained with 1e-6. */
  readonly eps?: number;
  /** The activation of the MLP, where it is not the exact GELU that this engine runs. */
  readonly otherActivation?: string;
  readonly labels?: string[];
  readonly input?: Partial<Pick<InputSpec, 'crop' | 'filter' | 'mean' | 'std'>>;
}

type Config = Readonly<Record<string, unknown>>;

export function hintsOf(config: Config | undefined): ConfigHints {
  if (config === undefined) return {};
  const { num_attention_heads: heads, layer_norm_eps: eps, hidden_act: activation, id2label } = config;
  const labels = labelsOf(id2label);
  const input = timmInput(config['pretrained_cfg']);
  return {
    ...(typeof heads === 'number' && { heads }),
    ...(typeof eps === 'number' && { eps }),
    ...(typeof activation === 'string' && activation !== 'gelu' && { otherActivation: activation.slice(0, 40) }),
    ...(labels && { labels }),
    ...(input && { input }),
  };
}

/** `{"0": "tench", …}`; names that only count, LABEL_0, are none. */
function labelsOf(value: unknown): string[] | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const entries = Object.entries(value);
  const labels = entries.map((_, index) => (value as Config)[String(index)]);
  const named = labels.every(
    (label): label is string => typeof label === 'string' && label !== '' && !/^LABEL_\d+$/.test(label),
  );
  return named && labels.length > 0 ? labels : undefined;
}

function timmInput(value: unknown): ConfigHints['input'] {
  if (typeof value !== 'object' || value === null) return undefined;
  const { crop_pct: crop, interpolation, mean, std } = value as Config;
  return {
    ...(typeof crop === 'number' && crop > 0 && crop <= 1 && { crop }),
    ...((interpolation === 'bicubic' || interpolation === 'bilinear') && { filter: interpolation }),
    ...(isTriple(mean) && { mean }),
    ...(isTriple(std) && std.every((share) => share > 0) && { std }),
  };
}

const isTriple = (value: unknown): value is [number, number, number] =>
  Array.isArray(value) && value.length === 3 && value.every((entry) => typeof entry === 'number' && Number.isFinite(entry));
