import { describe, expect, it } from 'vitest'
import { Alarm } from '../../../src/engine/alarm.js'
import { ManualClock } from '../../support/clock.js'

function setup() {
  const clock = new ManualClock()
  const rung: number[] = []
  const alarm = new Alarm(clock, () => void rung.push(clock.monotonicMs()))
  return { clock, rung, alarm }
}

describe('Alarm', () => {
  it('rings once, when it is due', () => {
    const { clock, rung, alarm } = setup()
    clock.advance(50)
    alarm.set(100)
    clock.advance(49)
    expect(rung).toEqual([])
    clock.advance(500)
    expect(rung).toEqual([100])
  })

  it('follows the due time, and is silent without one', () => {
    const { clock, rung, alarm } = setup()
    alarm.set(100)
    alarm.set(200)
    clock.advance(150)
    alarm.set(180)
    clock.advance(40)
    expect(rung).toEqual([180])
    alarm.set(300)
    alarm.set(null)
    clock.advance(500)
    expect(rung).toEqual([180])
    expect(clock.nextDueMs).toBeNull()
  })

  it('can be set to the same time again once it has rung: a timer may be early', () => {
    const { clock, rung, alarm } = setup()
    alarm.set(100)
    clock.advance(100)
    alarm.set(100)
    clock.advance(1)
    expect(rung).toEqual([100, 100])
  })

  it('rings at once for what is overdue', () => {
    const { clock, rung, alarm } = setup()
    clock.advance(500)
    alarm.set(100)
    clock.advance(0)
    expect(rung).toEqual([500])
  })
})
