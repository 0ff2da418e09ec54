/* global RunningStitch */
const backend = new URLSearchParams(location.search).get('backend') ?? 'auto';
const answer = document.getElementById('answer');

async function main() {
  await navigator.serviceWorker.register('service-worker.js');
  const photo = document.getElementById('photo');
  await photo.decode();
  const runtime = await RunningStitch.createRuntime({ bundle: '/models/tiny/manifest.json', backend });
  const { top, executor } = await runtime.classify(photo);
  answer.textContent = `${top[0].label} (${executor})`;
  // From here on the page needs no network: everything planned is kept.
  await runtime.loaded;
  document.documentElement.dataset.complete = 'true';
}

main().catch((error) => {
  answer.textContent = `${error.code}: ${error.message}`;
});
