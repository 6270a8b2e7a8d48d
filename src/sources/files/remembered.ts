import { readFileSync } from 'node:fs'
import type { KindId } from '../../resources/kinds.ts'
import { KIND, ORIGIN, type Origin, type Resource } from '../../resources/resource.ts'

/** The last good objects of each file, by path: what must outlive a restart, as the files may be broken by then. */
export type Remembered = ReadonlyMap<string, readonly Resource[]>

/** An object as plain data: what symbols say is written out. */
interface Entry {
  readonly kind: KindId
  readonly origin?: Origin
  readonly object: Omit<Resource, typeof KIND | typeof ORIGIN>
}

export function rememberedText(files: Remembered): string {
  const entries = [...files].map(([path, objects]): [string, Entry[]] => [
    path,
    objects.map((object) => {
      const origin = object[ORIGIN]
      return { kind: object[KIND], ...(origin ? { origin } : {}), object }
    }),
  ])
  return JSON.stringify(entries)
}

/** What was written to `file`; nothing where there is no such file, or none of ours. */
export function readRemembered(file: string): Remembered {
  try {
    const entries = JSON.parse(readFileSync(file, 'utf8')) as [string, Entry[]][]
    return new Map(
      entries.map(([path, objects]) => [
        path,
        objects.map(({ kind, origin, object }) => ({
          ...object,
          [KIND]: kind,
          ...(origin ? { [ORIGIN]: origin } : {}),
        })),
      ]),
    )
  } catch {
    return new Map()
  }
}
