import { describe, expect, it } from 'vitest'
import { Circuit, DEAD_MS, FIRST_REST_MS, MAX_REST_MS, MAX_RESTS_MS, OPENS_AT } from '../../../src/domain/circuit.js'

function failedAt(nowMs: number, times: number = OPENS_AT): Circuit {
  const circuit = new Circuit()
  for (let at = 0; at < times; at += 1) circuit.fail(nowMs, nowMs)
  return circuit
}

/** Sends one request to see, and has it fail at once; answers with how long it rests then, 0 where it does not. */
function probe(circuit: Circuit, nowMs: number): number {
  expect([circuit.state(nowMs), circuit.room(nowMs)]).toEqual(['HALF_OPEN', 1])
  circuit.start(nowMs)
  expect(circuit.room(nowMs)).toBe(0)
  circuit.fail(nowMs, nowMs)
  circuit.end(nowMs)
  return (circuit.openUntilMs(nowMs) ?? nowMs) - nowMs
}

describe('Circuit', () => {
  it('opens after so many failures in a row, and not before', () => {
    expect(failedAt(5, OPENS_AT - 1).state(5)).toBe('CLOSED')
    const circuit = failedAt(5)
    expect([circuit.state(5), circuit.room(5), circuit.openUntilMs(5)]).toEqual(['OPEN', 0, 5 + FIRST_REST_MS])
  })

  it('counts anew after an answer', () => {
    const circuit = failedAt(0, OPENS_AT - 1)
    circuit.succeed()
    for (let at = 0; at < OPENS_AT - 1; at += 1) circuit.fail(1, 1)
    expect(circuit.state(1)).toBe('CLOSED')
    circuit.fail(1, 1)
    expect(circuit.state(1)).toBe('OPEN')
  })

  it('lets one request through when it has rested, and closes with its answer', () => {
    const circuit = failedAt(0)
    circuit.start(FIRST_REST_MS)
    expect(circuit.room(FIRST_REST_MS)).toBe(0)
    circuit.succeed()
    expect([circuit.state(FIRST_REST_MS), circuit.room(FIRST_REST_MS)]).toEqual(['CLOSED', Number.POSITIVE_INFINITY])
  })

  it('lets another one through where what was sent to see says nothing', () => {
    const circuit = failedAt(0)
    circuit.start(600)
    circuit.end(600)
    expect(circuit.room(601)).toBe(1)
  })

  it('is not moved by failures of what was under way before, and closed by their answers', () => {
    const circuit = failedAt(100)
    circuit.fail(50, 200)
    expect(circuit.openUntilMs(200)).toBe(100 + FIRST_REST_MS)
    // Under way still, while another one is sent to see.
    circuit.start(700)
    circuit.end(50)
    expect(circuit.room(700)).toBe(0)
    circuit.succeed()
    expect(circuit.state(700)).toBe('CLOSED')
  })

  it('rests twice as long after each try, up to a bound, and in all no longer than another one', () => {
    const circuit = failedAt(0)
    const rests = [FIRST_REST_MS]
    let nowMs = FIRST_REST_MS
    for (let restMs = probe(circuit, nowMs); restMs > 0; restMs = probe(circuit, nowMs)) {
      rests.push(restMs)
      nowMs += restMs
    }
    expect(rests).toEqual([500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000])
    expect(Math.max(...rests)).toBe(MAX_REST_MS)
    expect(nowMs).toBeGreaterThanOrEqual(MAX_RESTS_MS)
    expect(nowMs).toBeLessThan(MAX_RESTS_MS + MAX_REST_MS)
    expect(circuit.state(nowMs)).toBe('CLOSED')
    // Taken for dead: a thousand items that wait for it come to their end.
    for (let at = 0; at < 1_000; at += 1) circuit.fail(nowMs, nowMs)
    expect(circuit.state(nowMs)).toBe('CLOSED')
    circuit.fail(nowMs, nowMs + DEAD_MS)
    expect(circuit.openUntilMs(nowMs + DEAD_MS)).toBe(nowMs + DEAD_MS + FIRST_REST_MS)
  })

  it('is as new after an answer of one that was taken for dead', () => {
    const circuit = failedAt(0)
    let nowMs = FIRST_REST_MS
    for (let restMs = probe(circuit, nowMs); restMs > 0; restMs = probe(circuit, nowMs)) nowMs += restMs
    circuit.succeed()
    for (let at = 0; at < OPENS_AT; at += 1) circuit.fail(nowMs, nowMs)
    expect(circuit.openUntilMs(nowMs)).toBe(nowMs + FIRST_REST_MS)
  })
})
