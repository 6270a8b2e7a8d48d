import { Option } from 'commander'

export type OutputFormat = 'json' | 'yaml'

/** `-o json|yaml`: for machines. Without it a command prints for people. */
export function outputOption<F extends string = OutputFormat>(...more: readonly F[]): Option {
  return new Option('-o, --output <format>', 'print for machines').choices(['json', 'yaml', ...more])
}

/** Plain data as text with a line's end. */
export async function structured(format: OutputFormat, value: unknown): Promise<string> {
  if (format === 'json') return `${JSON.stringify(value, null, 2)}\n`
  const { stringify } = await import('yaml')
  // A value that stands in two places is written out twice: anchors are for people who write.
  return stringify(value, { aliasDuplicateObjects: false, lineWidth: 0 })
}

/** Writes all of it, however slowly it is read; a reader that has enough (`| head`) is no error. */
export function print(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => (error.code === 'EPIPE' ? resolve() : reject(error))
    process.stdout.once('error', onError)
    process.stdout.write(text, (error) => {
      // The event of a write that failed comes after this.
      if (!error) process.stdout.off('error', onError)
      resolve()
    })
  })
}
