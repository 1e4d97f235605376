/** Reads a tree of source files and says where it breaks the rules of its architecture. */

import { posix } from 'node:path'
import { parseSync } from 'vite'

/** Source texts by path, relative to the root of the tree: `engine/launch.ts`. */
export type SourceTree = ReadonlyMap<string, string>

export interface Rules {
  /**
   * What each layer may import besides itself: other layers, or single files of them. A layer is a folder of the root
   * (`engine`) or a file of the root without its ending (`config`).
   */
  layers: Readonly<Record<string, readonly string[] | 'everything'>>
  /** Files that may read process.env. */
  environmentReaders: readonly string[]
  /** Files that must have a default export, as a tool asks for it. */
  defaultExports: readonly string[]
  /** Names that no folder may have. */
  forbiddenFolders: readonly string[]
  maxLines: number
  /** A folder of code that a tool writes: it may be imported and is held to no rule. */
  generated: readonly string[]
}

interface Facts {
  /** Relative specifiers, also of types, re-exports, dynamic imports and `new URL('./…', import.meta.url)`. */
  imports: string[]
  readsEnvironment: boolean
  hasDefaultExport: boolean
}

interface Node {
  type: string
  [key: string]: unknown
}

/** All violations, a sentence each, in the order of the files; empty where there is none. */
export function violations(tree: SourceTree, rules: Rules): string[] {
  const held = new Map([...tree].filter(([path]) => !isGenerated(path, rules)))
  const found: string[] = []
  const edges = new Map<string, string[]>()
  for (const [path, text] of held) {
    const facts = factsOf(path, text)
    const targets = facts.imports.map((specifier) => ({ specifier, target: resolve(path, specifier) }))
    for (const { specifier, target } of targets) {
      const problem = importProblem(path, target, { tree, rules })
      if (problem) found.push(`${path} imports ${specifier}: ${problem}`)
    }
    edges.set(
      path,
      targets.map(({ target }) => target).filter((target) => held.has(target)),
    )
    found.push(...fileProblems(path, text, { facts, rules }))
  }
  return [...found, ...cycles(edges)]
}

function isGenerated(path: string, rules: Rules): boolean {
  return rules.generated.some((folder) => path.startsWith(`${folder}/`))
}

function importProblem(
  path: string,
  target: string,
  { tree, rules }: { tree: SourceTree; rules: Rules },
): string | null {
  if (target.startsWith('../')) return 'it is outside of the tree'
  if (isGenerated(target, rules)) return layerOf(target) === layerOf(path) ? null : 'it is generated for another layer'
  if (!tree.has(target)) return 'there is no such file'
  const may = rules.layers[layerOf(path)]
  if (may === undefined || may === 'everything' || layerOf(target) === layerOf(path)) return null
  if (may.includes(layerOf(target)) || may.includes(target)) return null
  return `${layerOf(path)} may import ${may.join(', ') || 'nothing of ours'}`
}

function fileProblems(path: string, text: string, { facts, rules }: { facts: Facts; rules: Rules }): string[] {
  const found: string[] = []
  if (rules.layers[layerOf(path)] === undefined) found.push(`${path}: ${layerOf(path)} is no layer of the table`)
  const folder = posix
    .dirname(path)
    .split('/')
    .find((name) => rules.forbiddenFolders.includes(name))
  if (folder !== undefined) found.push(`${path} lies in a folder named ${folder}`)
  if (facts.readsEnvironment && !rules.environmentReaders.includes(path)) found.push(`${path} reads process.env`)
  if (facts.hasDefaultExport && !rules.defaultExports.includes(path)) found.push(`${path} has a default export`)
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
  if (lines > rules.maxLines) found.push(`${path} has ${lines} lines, more than ${rules.maxLines}`)
  return found
}

function layerOf(path: string): string {
  const [first = ''] = path.split('/')
  return first.replace(/\.ts$/, '')
}

/** What TypeScript makes of it: `./a.js` stands for `./a.ts`. */
function resolve(from: string, specifier: string): string {
  return posix.join(posix.dirname(from), specifier).replace(/\.js$/, '.ts')
}

function factsOf(path: string, text: string): Facts {
  const { program, errors } = parseSync(path, text)
  if (errors[0]) throw new Error(`${path}: ${errors[0].message}`)
  const facts: Facts = { imports: [], readsEnvironment: false, hasDefaultExport: false }
  visit(program as unknown as Node, facts)
  return facts
}

function visit(node: Node, facts: Facts): void {
  const specifier = specifierOf(node)
  if (specifier?.startsWith('.')) facts.imports.push(specifier)
  facts.readsEnvironment ||= readsEnvironment(node)
  facts.hasDefaultExport ||= isDefaultExport(node)
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) visit(child, facts)
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

const IMPORTS = [
  'ImportDeclaration',
  'ExportNamedDeclaration',
  'ExportAllDeclaration',
  'ImportExpression',
  'TSImportType',
]

function specifierOf(node: Node): string | null {
  if (IMPORTS.includes(node.type)) return textOf(node.source)
  if (node.type === 'NewExpression' && nameOf(node.callee) === 'URL' && Array.isArray(node.arguments)) {
    const [file, base] = node.arguments
    return isNode(base) && base.type === 'MemberExpression' && textOf(file)?.endsWith('.js') ? textOf(file) : null
  }
  return null
}

function textOf(node: unknown): string | null {
  return isNode(node) && node.type === 'Literal' && typeof node.value === 'string' ? node.value : null
}

function nameOf(node: unknown): string | null {
  return isNode(node) && node.type === 'Identifier' ? String(node.name) : null
}

/** `process.env`, `process['env']`, `const { env } = process`, `import { env } from 'node:process'`. */
function readsEnvironment(node: Node): boolean {
  if (node.type === 'MemberExpression') {
    return nameOf(node.object) === 'process' && (nameOf(node.property) ?? textOf(node.property)) === 'env'
  }
  if (node.type === 'VariableDeclarator' && nameOf(node.init) === 'process') return names(node.id).includes('env')
  if (node.type === 'ImportDeclaration' && /^(node:)?process$/.test(textOf(node.source) ?? '')) {
    return names(node).includes('env')
  }
  return false
}

/** What an object pattern or an import takes, under the names that it has there. */
function names(node: unknown): (string | null)[] {
  if (!isNode(node)) return []
  const parts = [node.properties, node.specifiers].flatMap((list) => (Array.isArray(list) ? list : []))
  return parts.filter(isNode).map((part) => nameOf(part.key ?? part.imported))
}

function isDefaultExport(node: Node): boolean {
  if (node.type === 'ExportDefaultDeclaration') return true
  return node.type === 'ExportSpecifier' && nameOf(node.exported) === 'default'
}

/** Each set of files that reach each other (Tarjan's strongly connected components). */
function cycles(edges: ReadonlyMap<string, readonly string[]>): string[] {
  const order = new Map<string, number>()
  const low = new Map<string, number>()
  const stack: string[] = []
  const found: string[] = []
  const enter = (path: string): number => {
    let lowest = order.size
    order.set(path, lowest)
    stack.push(path)
    const own = lowest
    for (const target of edges.get(path) ?? []) {
      if (target === path) found.push(`${path} imports itself`)
      if (!order.has(target)) lowest = Math.min(lowest, enter(target))
      else if (stack.includes(target)) lowest = Math.min(lowest, order.get(target) ?? lowest)
    }
    low.set(path, lowest)
    if (lowest === own) {
      const members = stack.splice(stack.indexOf(path))
      if (members.length > 1) found.push(`these import each other: ${members.sort().join(', ')}`)
    }
    return lowest
  }
  for (const path of edges.keys()) if (!order.has(path)) enter(path)
  return found
}
