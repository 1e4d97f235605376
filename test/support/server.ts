/** The server of the sources, with lanes and writer from the last build: real SQLite, real HTTP, a folder of its own. */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type App, startApp } from '../../src/app.js'
import { type Config, readConfig } from '../../src/config.js'
import { createLog } from '../../src/log.js'
import { ApiClient } from './api.js'

const root = new URL('../../', import.meta.url)

export const FUNCTIONS_DIR = fileURLToPath(new URL('test/support/functions', root))

export interface TestServer {
  app: App
  api: ApiClient
  dataDir: string
  /** Each line of the log, parsed: warnings and worse. */
  logged: Record<string, unknown>[]
  /** Ends the server and starts it again on the same data. */
  restart(): Promise<void>
  close(): Promise<void>
}

/** `fixed`: what no setting changes. */
export async function startTestServer(
  settings: Record<string, string> = {},
  fixed: Partial<Config> = {},
): Promise<TestServer> {
  const dataDir = await mkdtemp(join(tmpdir(), 'heddle-test-'))
  const logged: Record<string, unknown>[] = []
  const destination = { write: (line: string) => void logged.push(JSON.parse(line)) }
  const own = { PORT: '0', HEDDLE_DATA_DIR: dataDir, HEDDLE_ALLOW_HOSTS: '127.0.0.1,localhost' }
  const start = () =>
    startApp(
      { ...readConfig({ ...own, ...settings }), ...fixed },
      createLog({ level: 'warn', pretty: false, destination }),
      {
        laneEntry: new URL('dist/lanes/entry.js', root),
        writerEntry: new URL('dist/store/writer-entry.js', root),
        readerEntry: new URL('dist/store/reader-entry.js', root),
        counterEntry: new URL('dist/counting/entry.js', root),
        migrationsDir: fileURLToPath(new URL('prisma/migrations', root)),
      },
    )
  const app = await start()
  const server: TestServer = {
    app,
    api: new ApiClient(app.url),
    dataDir,
    logged,
    async restart() {
      await server.app.close()
      server.app = await start()
      server.api = new ApiClient(server.app.url)
    },
    async close() {
      await server.app.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
  return server
}
