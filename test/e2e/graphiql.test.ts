import { accessSync, constants } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { type Browser, chromium, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type ServerProcess, startProcess } from '../support/process.js'

const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-background-networking',
  '--no-first-run',
  '--disable-sync',
  '--disable-component-update',
  '--disable-quic',
]

let dataDir: string
let server: ServerProcess
let browser: Browser
let page: Page
/** Where the page asked for anything. */
let requests: string[]
/** What the browser complained of, refusals of its security policy among them. */
let complaints: string[]

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'heddle-graphiql-'))
  server = await startProcess({ HEDDLE_DATA_DIR: dataDir })
  browser = await chromium.launch({ executablePath: browserPath(), args: QUIET })
})

afterAll(async () => {
  await browser?.close()
  await server?.end('SIGKILL')
  await rm(dataDir, { recursive: true, force: true })
})

beforeEach(async () => {
  requests = []
  complaints = []
  page = await browser.newPage()
  page.on('request', (request) => requests.push(request.url()))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('pageerror', (error) => complaints.push(String(error)))
  const introspected = page.waitForResponse((response) => response.request().method() === 'POST')
  await page.goto(`${server.url}/graphql`)
  await introspected
  await page.locator('.graphiql-execute-button').waitFor()
})

afterEach(async () => {
  // Whatever the page did, it spoke to its own server alone, and was not refused anything.
  const elsewhere = requests.filter((url) => !url.startsWith(`${server.url}/`) && !/^(data|blob):/.test(url))
  expect(elsewhere).toEqual([])
  expect(complaints).toEqual([])
  await page.close()
})

/** A Chromium on this machine; there is nothing to test without one. */
function browserPath(): string {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']) {
    for (const folder of (process.env.PATH ?? '').split(delimiter)) {
      const path = join(folder, name)
      try {
        accessSync(path, constants.X_OK)
        return path
      } catch {
        // Not here.
      }
    }
  }
  throw new Error('no Chromium on the PATH: install one (apt-get install chromium) to test GraphiQL in a browser')
}

function tab(name: string) {
  return page.locator('.graphiql-tab-button', { hasText: new RegExp(`^${name}$`) })
}

/** Opens the tab of an operation that is not open, and runs it. */
async function run(operation: string): Promise<void> {
  await tab(operation).click()
  // GraphiQL takes note of what a tab has a moment after it shows it, and stores it then.
  await page.waitForFunction(`localStorage.getItem('graphiql:query')?.includes('${operation}')`)
  await page.locator('.graphiql-execute-button').click()
}

/** The text of the answer, once it has what is looked for. */
async function answerWith(pattern: RegExp): Promise<string> {
  const lines = page.locator('.result-window .view-lines')
  await lines.filter({ hasText: pattern }).waitFor()
  return (await lines.innerText()).replaceAll('\u00a0', ' ')
}

describe('GraphiQL in a browser', () => {
  it('opens with an example for each thing that the API does', async () => {
    const names = await page.locator('.graphiql-tab-button').allInnerTexts()
    for (const name of [
      'LaunchCompute',
      'LaunchFetch',
      'WatchRun',
      'WatchTasks',
      'ReadRun',
      'FindRuns',
      'ReadServer',
    ]) {
      expect(names).toContain(name)
    }
  })

  it('runs an example and shows its result', async () => {
    await run('ReadServer')
    expect(await answerWith(/atomicCounter/)).toContain('"functions"')
    await run('LaunchCompute')
    const id = /"id": "(run_[0-9a-f]{32})"/.exec(await answerWith(/run_[0-9a-f]{32}/))?.[1]
    expect(await server.api.ended(id ?? '')).toBe('SUCCEEDED')
    expect(await server.api.run(id ?? '', 'name effectiveStrategy')).toEqual({
      name: 'three sums',
      effectiveStrategy: 'THREADS',
    })
  })

  it('shows the events of a subscription as they come', async () => {
    const streaming = page.waitForResponse((response) => response.url().includes('runsUpdated'))
    await run('WatchRuns')
    expect((await streaming).headers()['content-type']).toMatch(/^text\/event-stream/)
    const launch = server.api.launchCompute({
      function: 'countPrimes',
      source: { inputs: [1000] },
      options: { name: 'seen-in-the-browser' },
    })
    expect(await server.api.ended(await server.api.start(launch))).toBe('SUCCEEDED')
    expect(await answerWith(/seen-in-the-browser/)).toContain('"runsUpdated"')
  })
})
