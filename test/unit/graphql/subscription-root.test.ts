import { parse, specifiedRules, validate } from 'graphql'
import { describe, expect, it } from 'vitest'
import { schema } from '../../../src/graphql/schema.js'
import { UnconditionalSubscriptionRule } from '../../../src/graphql/subscription-root.js'

const problems = (document: string) =>
  validate(schema, parse(document), [...specifiedRules, UnconditionalSubscriptionRule]).map(({ message }) => message)

describe('UnconditionalSubscriptionRule', () => {
  it.each([
    ['skip', 'subscription { runsUpdated @skip(if: true) { id } }'],
    ['include', 'subscription { runsUpdated @include(if: true) { id } }'],
    ['skip', 'subscription { ... on Subscription @skip(if: true) { runsUpdated { id } } }'],
    ['include', 'subscription { ...A } fragment A on Subscription { ... { runsUpdated @include(if: false) { id } } }'],
    ['skip', 'subscription { ...A @skip(if: true) } fragment A on Subscription { runsUpdated { id } }'],
  ])('refuses @%s at the root: %s', (name, document) => {
    expect(problems(document)).toEqual([`A subscription's root field may not depend on @${name}`])
  })

  it('leaves what stands below, and other operations', () => {
    expect(problems('subscription { runsUpdated { id @skip(if: true) } }')).toEqual([])
    expect(problems('{ functions @skip(if: true) { name } }')).toEqual([])
  })

  it('ends with fragments that name each other', () => {
    const document = 'subscription { ...A } fragment A on Subscription { ...B } fragment B on Subscription { ...A }'
    expect(problems(document).some((message) => message.includes('within itself'))).toBe(true)
  })
})
