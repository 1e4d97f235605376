// `prisma generate` needs no schema engine, but looks for one, and would download it: any existing file satisfies it.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const { status } = spawnSync(process.execPath, ['node_modules/prisma/build/index.js', 'generate', '--no-hints'], {
  cwd: root,
  stdio: ['ignore', 'ignore', 'inherit'],
  env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: `${root}package.json`, CHECKPOINT_DISABLE: '1' },
})
process.exit(status ?? 1)
