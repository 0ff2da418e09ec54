import { createRuntime, StitchError } from 'running-stitch';
import { backend } from './backend';

const photo = document.querySelector<HTMLImageElement>('#photo')!;
const answer = document.querySelector('#answer')!;

try {
  await photo.decode();
  const runtime = await createRuntime({ bundle: '/models/tiny/manifest.json', backend, budget: { latencyMs: 50 } });
  const { top, executor } = await runtime.classify(photo);
  answer.textContent = `${top[0]?.label} (${executor})`;
} catch (error) {
  answer.textContent = error instanceof StitchError ? `${error.code}: ${error.message}` : String(error);
}
