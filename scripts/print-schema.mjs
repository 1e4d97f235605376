// Writes schema.graphql from the built code. Usage, from the project's root after a build: node scripts/print-schema.mjs
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { printedSchema } from '../dist/graphql/schema.js'

writeFileSync(fileURLToPath(new URL('../schema.graphql', import.meta.url)), printedSchema())
