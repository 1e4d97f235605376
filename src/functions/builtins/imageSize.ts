import type { ComputeFunction } from '../function.js'
import { BASE64_SCHEMA, bytesOfBase64 } from './base64.js'

/** Of an image's bytes: how large it is shown. */
export const imageSize: ComputeFunction = {
  name: 'imageSize',
  description: [
    'The width and height of an image, and its type, from its bytes in base64, given as they are or as { base64 }. Knows png, jpg,',
    'gif, webp, avif and heic, bmp, ico, tiff, svg, psd and more, by their content. Pixels as the file states them, exact; for svg',
    'they are its width and height, or its viewBox. orientation is that of the EXIF data, 1 to 8, where a jpg has one (from 5 on the',
    'image is shown with width and height exchanged). Reads no pixel: the first kilobytes of a file are enough for most. At most 5 MiB.',
  ].join(' '),
  inputSchema: {
    ...BASE64_SCHEMA,
    type: ['string', 'object'],
    minLength: 4,
    properties: { base64: { ...BASE64_SCHEMA, minLength: 4 } },
    required: ['base64'],
    additionalProperties: false,
  },
  outputSchema: {
    type: 'object',
    properties: {
      width: { type: 'number', exclusiveMinimum: 0 },
      height: { type: 'number', exclusiveMinimum: 0 },
      type: { type: 'string' },
      orientation: { type: 'integer', minimum: 1, maximum: 8 },
    },
    required: ['width', 'height', 'type'],
    additionalProperties: false,
  },
  // A GIF of one pixel.
  example: { base64: 'R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7' },
  async run(input) {
    const { imageSize: sizeOf } = await import('image-size')
    const bytes = bytesOfBase64(typeof input === 'string' ? input : (input as { base64: string }).base64)
    const { width, height, type = 'unknown', orientation } = measure(bytes, sizeOf)
    if (!(width > 0 && height > 0 && Number.isFinite(width) && Number.isFinite(height))) {
      throw new Error(`no dimensions: the ${type} states ${width} × ${height}`)
    }
    // Other values than these have no meaning.
    const isKnown = orientation !== undefined && orientation >= 1 && orientation <= 8
    return { width, height, type, ...(isKnown && { orientation }) }
  },
}

interface Measured {
  width: number
  height: number
  type?: string
  orientation?: number
}

function measure(bytes: Uint8Array, sizeOf: (bytes: Uint8Array) => Measured): Measured {
  try {
    return sizeOf(bytes)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    // Of a file that ends too early it says something of offsets.
    const reason = message.startsWith('unsupported file type') ? 'its type is not one that is known' : message
    throw new Error(`no image that can be measured: ${reason}`)
  }
}
