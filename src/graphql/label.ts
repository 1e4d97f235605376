/** Labels: what a client tells its runs apart by. */

import type { Label } from '../domain/batch.js'
import { builder } from './builder.js'

export const LabelType = builder.objectRef<Label>('Label').implement({
  description: 'A name and a value that a run was launched with, to find it by.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name: project.' }),
    value: t.exposeString('value', { description: 'The value: nightly.' }),
  }),
})

export const LabelInput = builder.inputType('LabelInput', {
  description: 'A label to give to a run, or to find runs by.',
  fields: (t) => ({
    name: t.string({ required: true, description: 'The name: project.' }),
    value: t.string({ required: true, description: 'The value: nightly.' }),
  }),
})
