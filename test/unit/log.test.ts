import { describe, expect, it } from 'vitest'
import { createLog } from '../../src/log.js'

function capture(level: 'info' | 'debug' | 'silent', pretty: boolean) {
  const lines: string[] = []
  const log = createLog({ level, pretty, destination: { write: (line) => lines.push(line) } })
  return { log, lines }
}

describe('createLog', () => {
  it('writes one JSON object a line, with a level in words and an instant', () => {
    const { log, lines } = capture('info', false)
    log.info({ run: 7 }, 'launched')
    log.error({ err: new Error('broken') }, 'failed')
    const [launched, failed] = lines.map((line) => JSON.parse(line))
    expect(lines.every((line) => line.endsWith('\n'))).toBe(true)
    expect(launched).toEqual({ level: 'info', time: expect.any(String), run: 7, msg: 'launched' })
    expect(new Date(launched.time).toISOString()).toBe(launched.time)
    expect(failed.err).toMatchObject({ type: 'Error', message: 'broken', stack: expect.stringContaining('log.test') })
  })

  it('writes nothing below its level', () => {
    const { log, lines } = capture('info', false)
    log.debug('detail')
    expect(lines).toEqual([])
    const silent = capture('silent', false)
    silent.log.fatal('the end')
    expect(silent.lines).toEqual([])
  })

  it('writes readable lines for people', () => {
    const { log, lines } = capture('debug', true)
    log.debug({ run: 7 }, 'launched')
    const text = lines.join('')
    expect(text).toContain('launched')
    expect(text).toContain('DEBUG')
    expect(text).not.toContain('{"')
  })
})
