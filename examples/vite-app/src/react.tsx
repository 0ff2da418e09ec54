import { StrictMode, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { useRunningStitch } from 'running-stitch/react';
import { backend } from './backend';

function Classifier({ name }: { readonly name: string }) {
  const { ref, status, result, error } = useRunningStitch<HTMLImageElement>({
    bundle: '/models/tiny/manifest.json',
    latencyMs: 50,
    backend,
  });
  return (
    <figure>
      <img ref={ref} src="/photo.jpg" alt="" />
      <figcaption id={name}>{error?.message ?? result?.top[0]?.label ?? status}</figcaption>
    </figure>
  );
}

function App() {
  const [shown, setShown] = useState(true);
  return (
    <>
      <button onClick={() => setShown(!shown)}>{shown ? 'Hide' : 'Show'}</button>
      {shown && <Classifier name="one" />}
      {shown && <Classifier name="two" />}
    </>
  );
}

createRoot(document.querySelector('#root')!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
