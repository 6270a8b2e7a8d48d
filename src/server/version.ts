import packageJson from '../../package.json' with { type: 'json' }

/** Of Weft. */
export const VERSION: string = packageJson.version
