// The package needs ES modules in workers, and in the development server to be left where its worker is.
// The rest names this example's three pages.
export default {
  worker: { format: 'es' },
  optimizeDeps: { exclude: ['running-stitch'] },
  build: { rolldownOptions: { input: ['index.html', 'element.html', 'react.html'] } },
};
