/** The element's shadow tree: the picture, the answer, a status line, and what screen readers are told. */
import type { Prediction } from '../core/types';
import { createAnnouncer } from './announcer';

/** A sheet made by script, which a `style-src` without 'unsafe-inline' allows. */
const CSS = `
  :host { display: block; position: relative; font: 1rem/1.4 system-ui, sans-serif; }
  :host([hidden]) { display: none; }
  [hidden] { display: none !important; }
  video, ::slotted(video), ::slotted(img) { display: block; max-width: 100%; }
  [part='answer'] { display: flex; gap: 0.5em; justify-content: space-between; }
  [part='probability'] { font-variant-numeric: tabular-nums; }
  [part='live'] { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
`;

export interface View {
  /** Shown for `source="camera"`. */
  readonly camera: HTMLVideoElement;
  showCamera(shown: boolean): void;
  showAnswer(best: Prediction | undefined): void;
  /** A line for eyes and, calmly, for ears; empty hides it. */
  showStatus(text: string): void;
  /** What changes too often to be spoken. */
  showProgress(text: string): void;
  stop(): void;
}

function part<K extends keyof HTMLElementTagNameMap>(tag: K, name: string, parent: Node): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  node.setAttribute('part', name);
  parent.appendChild(node);
  return node;
}

export function createView(host: HTMLElement): View {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(CSS);
  root.adoptedStyleSheets = [sheet];
  root.replaceChildren();

  const stage = part('div', 'stage', root);
  stage.appendChild(document.createElement('slot'));
  const camera = part('video', 'video', stage);
  camera.muted = true;
  camera.playsInline = true;
  camera.setAttribute('aria-label', 'Camera');
  camera.hidden = true;

  const slot = document.createElement('slot');
  slot.name = 'answer';
  root.appendChild(slot);
  const answer = part('div', 'answer', slot);
  // Changes with every frame; the live region says it at a rate that can be followed.
  answer.setAttribute('aria-hidden', 'true');
  const label = part('span', 'label', answer);
  const probability = part('span', 'probability', answer);

  const status = part('div', 'status', root);
  status.setAttribute('aria-hidden', 'true');
  status.hidden = true;

  const live = part('div', 'live', root);
  live.setAttribute('role', 'status');
  live.setAttribute('aria-live', 'polite');
  const announcer = createAnnouncer((text) => (live.textContent = text));

  const showProgress = (text: string): void => {
    status.textContent = text;
    status.hidden = text === '';
  };
  return {
    camera,
    showCamera: (shown) => (camera.hidden = !shown),
    showAnswer(best) {
      label.textContent = best?.label ?? '';
      probability.textContent = best === undefined ? '' : `${Math.round(best.probability * 100)} %`;
      if (best !== undefined) announcer.say(best.label);
    },
    showStatus(text) {
      showProgress(text);
      if (text !== '') announcer.say(text);
      else if (label.textContent === '') announcer.clear();
    },
    showProgress,
    stop: () => announcer.stop(),
  };
}
