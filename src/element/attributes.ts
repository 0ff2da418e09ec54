/** The attributes of `<running-stitch>`, and the properties that mirror them. */
import type { BackendChoice, EnergyMode } from '../core/types';
import { pictureIn } from './children';
import { TypedElement } from './typed-element';

/** Where pictures come from: the element's own camera, or the first `<video>` or `<img>` among its children. */
export type SourceKind = 'camera' | 'video' | 'img';
const SOURCES: readonly SourceKind[] = ['camera', 'video', 'img'];
const PROPERTIES = ['src', 'source', 'budgetMs', 'energy', 'backend', 'maxAnchor', 'cache', 'loading'] as const;

export class MirroringElement extends TypedElement {
  static readonly observedAttributes = ['src', 'source', 'budget-ms', 'energy', 'backend', 'max-anchor', 'cache', 'loading'];

  /** URL of the bundle's manifest.json. Without one the element stays idle. */
  get src(): string {
    return this.getAttribute('src') ?? '';
  }
  set src(value: string) {
    this.setAttribute('src', value);
  }
  /** Default: `img` or `video` by the first such child, else the camera. */
  get source(): SourceKind {
    const given = this.getAttribute('source') as SourceKind;
    if (SOURCES.includes(given)) return given;
    return (pictureIn(this, 'video, img')?.localName as 'video' | 'img' | undefined) ?? 'camera';
  }
  set source(value: SourceKind) {
    this.setAttribute('source', value);
  }
  /** Milliseconds one frame may take; NaN where the attribute is missing or is no number. */
  get budgetMs(): number {
    return Number.parseFloat(this.getAttribute('budget-ms') ?? '');
  }
  set budgetMs(value: number) {
    this.setAttribute('budget-ms', String(value));
  }
  get energy(): EnergyMode {
    const given = this.getAttribute('energy');
    return given === 'performance' || given === 'saver' ? given : 'balanced';
  }
  set energy(value: EnergyMode) {
    this.setAttribute('energy', value);
  }
  get backend(): BackendChoice {
    return (this.getAttribute('backend') ?? 'auto') as BackendChoice;
  }
  set backend(value: BackendChoice) {
    this.setAttribute('backend', value);
  }
  /** The largest anchor to load, by its id; empty, the default, is no bound. */
  get maxAnchor(): string {
    return this.getAttribute('max-anchor') ?? '';
  }
  set maxAnchor(value: string) {
    this.setAttribute('max-anchor', value);
  }
  /** `on`, the default, keeps weights in IndexedDB. Words, since frameworks hand an attribute's text to the property. */
  get cache(): 'on' | 'off' {
    return this.getAttribute('cache') === 'off' ? 'off' : 'on';
  }
  set cache(value: 'on' | 'off') {
    this.setAttribute('cache', value);
  }
  /** `lazy`, the default, starts when the element comes into sight; `eager` at once. */
  get loading(): 'lazy' | 'eager' {
    return this.getAttribute('loading') === 'eager' ? 'eager' : 'lazy';
  }
  set loading(value: 'lazy' | 'eager') {
    this.setAttribute('loading', value);
  }
}

/** A property set before the element was defined hides the accessor; hands it over. */
export function upgrade(element: MirroringElement): void {
  for (const name of PROPERTIES) {
    if (!Object.hasOwn(element, name)) continue;
    const value: unknown = Reflect.get(element, name);
    Reflect.deleteProperty(element, name);
    Reflect.set(element, name, value);
  }
}
