// The shortest task there is, for runs of very many of them.
export default {
  name: 'same',
  description: 'The number itself.',
  inputSchema: { type: 'number' },
  example: 1,
  run: (n) => n,
}
