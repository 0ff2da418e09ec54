import 'running-stitch/element';
import { backend } from './backend';

const second = document.querySelector<HTMLElementTagNameMap['running-stitch']>('#second')!;
for (const element of document.querySelectorAll('running-stitch')) {
  element.backend = backend;
}
second.addEventListener('result', ({ detail }) => {
  second.querySelector('output')!.textContent = detail.top[0]?.label ?? '';
});
