// Takes any value and gives it back.
export default {
  name: 'anything',
  description: 'The value itself.',
  inputSchema: {},
  example: 1,
  run: (value) => value,
}
