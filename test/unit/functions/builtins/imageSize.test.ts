import { describe, expect, it } from 'vitest'
import { imageSize } from '../../../../src/functions/builtins/imageSize.js'
import { callerOf, problemsOf } from '../../../support/builtin.js'

const sizeOf = callerOf(imageSize)
const problems = problemsOf(imageSize)
const base64 = (...parts: (Buffer | string | number[])[]) =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
  ).toString('base64')

const big = (number: number, bytes: number) =>
  Array.from({ length: bytes }, (_, at) => (number >>> (8 * (bytes - 1 - at))) & 255)
const little = (number: number, bytes: number) => big(number, bytes).reverse()
/** A box of the ISO base media format. */
const box = (type: string, ...content: number[][]) => {
  const body = content.flat()
  return [...big(body.length + 8, 4), ...Buffer.from(type, 'latin1'), ...body]
}

const png = base64(
  [0x89],
  'PNG\r\n',
  [0x1a, 0x0a],
  big(13, 4),
  'IHDR',
  big(640, 4),
  big(480, 4),
  [8, 6, 0, 0, 0],
  big(0, 4),
)

/** A JPEG as far as its frame header, with this EXIF orientation. */
function jpeg(width: number, height: number, orientation: number | null): string {
  const entry = [...big(0x0112, 2), ...big(3, 2), ...big(1, 4), ...big(orientation ?? 1, 2), 0, 0]
  const tiff = [...Buffer.from('MM'), ...big(42, 2), ...big(8, 4), ...big(1, 2), ...entry, ...big(0, 4)]
  const exif = [...Buffer.from('Exif\0\0', 'latin1'), ...tiff]
  const jfif = [...Buffer.from('JFIF\0', 'latin1'), 1, 1, 0, 0, 1, 0, 1, 0, 0]
  const [marker, content] = orientation === null ? [0xe0, jfif] : [0xe1, exif]
  const application = [0xff, marker, ...big(content.length + 2, 2), ...content]
  const frame = [8, ...big(height, 2), ...big(width, 2), 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1]
  return base64([0xff, 0xd8], application, [0xff, 0xc0, ...big(frame.length + 2, 2)], frame, [0xff, 0xd9])
}

const avif = base64(
  box('ftyp', [...Buffer.from('avif')], big(0, 4), [...Buffer.from('avifmif1')]),
  box('meta', big(0, 4), box('iprp', box('ipco', box('ispe', big(0, 4), big(800, 4), big(600, 4))))),
)

describe('imageSize', () => {
  it.each<[string, string, object]>([
    ['a PNG', png, { width: 640, height: 480, type: 'png' }],
    ['a GIF', base64('GIF89a', little(300, 2), little(200, 2), [0, 0, 0]), { width: 300, height: 200, type: 'gif' }],
    [
      'a BMP',
      base64('BM', little(0, 12), little(40, 4), little(123, 4), little(45, 4), little(0, 28)),
      { width: 123, height: 45, type: 'bmp' },
    ],
    ['a JPEG', jpeg(1024, 768, null), { width: 1024, height: 768, type: 'jpg' }],
    ['a JPEG that lies on its side', jpeg(1024, 768, 6), { width: 1024, height: 768, type: 'jpg', orientation: 6 }],
    ['a JPEG with an orientation that is none', jpeg(10, 20, 9), { width: 10, height: 20, type: 'jpg' }],
    [
      'a WebP with alpha',
      base64('RIFF', little(30, 4), 'WEBPVP8X', little(10, 4), [0x10, 0, 0, 0], little(1919, 3), little(1079, 3)),
      { width: 1920, height: 1080, type: 'webp' },
    ],
    [
      'a WebP without loss',
      base64('RIFF', little(30, 4), 'WEBPVP8L', little(10, 4), [0x2f], little(99 | (49 << 14), 4), [0, 0, 0, 0, 0]),
      { width: 100, height: 50, type: 'webp' },
    ],
    ['an AVIF', avif, { width: 800, height: 600, type: 'avif' }],
    [
      'an SVG with sizes',
      base64('<svg xmlns="http://www.w3.org/2000/svg" width="120" height="60"></svg>'),
      { width: 120, height: 60, type: 'svg' },
    ],
    [
      'an SVG with a viewBox alone',
      base64('<?xml version="1.0"?><svg viewBox="0 0 32 16" xmlns="http://www.w3.org/2000/svg"/>'),
      { width: 32, height: 16, type: 'svg' },
    ],
  ])('tells the size of %s', async (_what, image, expected) => {
    expect(await sizeOf(image)).toEqual(expected)
    expect(await sizeOf({ base64: image })).toEqual(expected)
  })

  it.each([
    ['no image', base64('warp and weft, and nothing else'), /^no image that can be measured: its type is not one/],
    ['an image that ends at once', base64([0x89], 'PNG\r\n', [0x1a, 0x0a]), /^no image that can be measured: /],
    [
      'an image of no size',
      base64('GIF89a', little(0, 2), little(200, 2), [0, 0, 0]),
      /^no dimensions: the gif states 0 × 200/,
    ],
    ['no base64', `${png.slice(0, -4)}A===`.slice(0, -1), /^no base64: /],
  ])('says of %s what is wrong', async (_what, image, message) => {
    await expect(sizeOf(image)).rejects.toThrow(message)
  })

  it('gives an answer or a reason for any beginning of a file', async () => {
    for (const image of [png, avif, jpeg(5, 5, 6)]) {
      const bytes = Buffer.from(image, 'base64')
      for (let length = 3; length < bytes.length; length += 1) {
        const found = await sizeOf(bytes.subarray(0, length).toString('base64')).catch((error: Error) => error.message)
        if (typeof found === 'string') expect(found).toMatch(/^no (image that can be measured|dimensions): ./)
      }
    }
  })

  it('refuses other inputs', () => {
    expect(problems(5)).toEqual(['must be string,object'])
    expect(problems('')).toEqual(['must NOT have fewer than 4 characters'])
    expect(problems({})).toEqual(["must have required property 'base64'"])
    expect(problems('https://example.com/a.png')).toHaveLength(1)
  })
})
