// Functions whose outputs follow from their inputs, and that take a while: a crash finds them at work.

function burn(ms) {
  const end = performance.now() + ms
  while (performance.now() < end);
}

const number = { type: 'number' }

export default [
  {
    name: 'triple',
    description: 'Three times the number, after half a millisecond of work.',
    inputSchema: number,
    run: (n) => {
      burn(0.5)
      return 3 * n
    },
  },
  {
    name: 'wait',
    description: 'The number itself, after some milliseconds of waiting.',
    inputSchema: number,
    run: (n) => new Promise((resolve) => setTimeout(resolve, 5, n)),
  },
  {
    name: 'fussy',
    description: 'The number itself; of seven in a row the fourth fails.',
    inputSchema: number,
    run: (n) => {
      burn(0.3)
      if (n % 7 === 3) throw new Error(`does not take ${n}`)
      return n
    },
  },
  {
    name: 'price',
    description: 'The price of a document.',
    inputSchema: { type: 'object', required: ['price'] },
    run: ({ price }) => {
      burn(0.3)
      return price
    },
  },
]
