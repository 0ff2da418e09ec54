/**
 * `npm run docs:api`: docs/api.md from the doc comments of the package's entries, by typedoc. `-- --check` only says whether the
 * file is current.
 *
 * A workspace of its own, because typedoc reads programs with TypeScript's JavaScript API, which TypeScript 7 does not have.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process, { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { Application } from 'typedoc';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const TARGET = join(ROOT, 'docs/api.md');
/** Entry of the package, and the file whose exports it is. */
const ENTRIES = {
  'running-stitch': 'index',
  'running-stitch/element': 'element/index',
  'running-stitch/react': 'react/index',
  'running-stitch/control': 'control/index',
  'running-stitch/stitch': 'stitching/index',
};
const HEAD = `<!-- Made by \`npm run docs:api\` from the comments in the sources. -->

# API

Entry by entry. \`running-stitch/worker\` exports nothing: it is the worker itself, for a page that starts it by its own means.
`;

async function generate() {
  const out = mkdtempSync(join(tmpdir(), 'running-stitch-api-'));
  try {
    const app = await Application.bootstrapWithPlugins({
      plugin: ['typedoc-plugin-markdown'],
      // Never the folder where the result goes: typedoc empties its output folder.
      out,
      entryPoints: Object.values(ENTRIES).map((file) => join(ROOT, `src/${file}.ts`)),
      tsconfig: join(ROOT, 'tsconfig.lib.json'),
      // `npm run typecheck` checks, with the TypeScript that the project uses.
      skipErrorChecking: true,
      readme: 'none',
      disableSources: true,
      excludeExternals: true,
      excludePrivate: true,
      logLevel: 'Error',
      router: 'module',
      hidePageHeader: true,
      hideBreadcrumbs: true,
      hidePageTitle: true,
      useCodeBlocks: true,
      hideGroupHeadings: true,
      parametersFormat: 'table',
      interfacePropertiesFormat: 'table',
      classPropertiesFormat: 'table',
      typeDeclarationFormat: 'table',
      propertyMembersFormat: 'table',
    });
    const project = await app.convert();
    if (project === undefined) throw new Error('typedoc could not read the entries');
    await app.outputs.writeOutput({ name: 'markdown', path: out }, project);
    const parts = Object.entries(ENTRIES).map(([title, file]) => {
      const text = readFileSync(join(out, pageOf(file)), 'utf8');
      // Its own headings start one level below the entry's; links lead to headings of this one file.
      return `## ${title}\n\n${text
        .replace(/^(#+ )/gm, '#$1')
        .replace(/\]\([^()#]*\.md(#[^()]*)?\)/g, ']($1)')
        .trim()}`;
    });
    return `${HEAD}\n${parts.join('\n\n')}\n`;
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}

/** typedoc names a module by its folder. */
const pageOf = (file) => `${file.replace('/index', '')}.md`;

const text = await generate();
if (!argv.includes('--check')) {
  writeFileSync(TARGET, text);
  console.log(`docs/api.md: ${text.split('\n').length} lines`);
} else if (readFileSync(TARGET, 'utf8') !== text) {
  console.error('docs/api.md is not current: run `npm run docs:api`');
  process.exitCode = 1;
}
