// Nothing is needed for the package itself but ES modules in workers; the rest names this example's three pages.
export default {
  worker: { format: 'es' },
  build: { rolldownOptions: { input: ['index.html', 'element.html', 'react.html'] } },
};
