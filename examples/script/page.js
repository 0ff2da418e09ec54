/* global RunningStitch */
const backend = new URLSearchParams(location.search).get('backend') ?? 'auto';
const answer = document.getElementById('answer');
document.getElementById('tag').setAttribute('backend', backend);

async function main() {
  const photo = document.getElementById('photo');
  await photo.decode();
  const runtime = await RunningStitch.createRuntime({ bundle: '/models/tiny/manifest.json', backend });
  const { top, executor } = await runtime.classify(photo);
  answer.textContent = `${top[0].label} (${executor})`;
}

main().catch((error) => {
  answer.textContent = `${error.code}: ${error.message}`;
});
