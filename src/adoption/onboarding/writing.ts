import type { EstateObject } from '../estate/estate.ts'
import { isSame, patched, stillAs } from './merge.ts'
import type { ObjectBefore } from './onboarding.ts'
import { isOurs } from './rules.ts'
import type { ObjectChange, ObjectName, Objects } from './world.ts'

/** What a change will make of each object, beside what it is now: to be kept before anything is written. */
export async function intended(objects: Objects, change: ObjectChange): Promise<readonly ObjectBefore[]> {
  const put = change.put.map(async (object): Promise<ObjectBefore> => {
    const after = asWritten(object)
    const before = await objects.read(nameOnly(after))
    return { name: nameOnly(after), before, after }
  })
  const remove = change.remove.map(
    async (name): Promise<ObjectBefore> => ({
      name: nameOnly(name),
      before: await objects.read(name),
      after: undefined,
    }),
  )
  return Promise.all([...put, ...remove])
}

/** What people write of an object: without what an API server adds, and changes by itself. */
export function asWritten({ status: _, ...object }: EstateObject & { readonly status?: unknown }): EstateObject {
  const { name, namespace, labels, annotations } = object.metadata
  const metadata = {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(labels ? { labels } : {}),
    ...(annotations ? { annotations } : {}),
  }
  return { ...object, metadata }
}

/** What a step has written, when it writes more: of each object its first state, and its last. */
export function joined(before: readonly ObjectBefore[], more: readonly ObjectBefore[]): readonly ObjectBefore[] {
  const all = new Map(before.map((each) => [keyOf(each.name), each]))
  for (const each of more) {
    const known = all.get(keyOf(each.name))
    all.set(keyOf(each.name), known ? { ...known, after: each.after } : each)
  }
  return [...all.values()]
}

/** The change that makes what is intended, of objects as they are now: what others have changed meanwhile stays. */
export async function forward(objects: Objects, intent: readonly ObjectBefore[]): Promise<ObjectChange> {
  const put: EstateObject[] = []
  const remove: ObjectName[] = []
  for (const { name, before, after } of intent) {
    const current = await objects.read(name)
    if (!after) {
      if (current) remove.push(name)
    } else if (current || !before) put.push(current ? (patched(current, before ?? {}, after) as EstateObject) : after)
  }
  return { put, remove }
}

/** What undoes a step, and what of it is left to people. */
export interface Backward extends ObjectChange {
  /** In words, such as `Deployment shop/cart is gone`. */
  readonly left: readonly string[]
}

/** The change that takes back what a step made, of objects as they are now. */
export async function backward(
  objects: Objects,
  written: readonly ObjectBefore[],
  application: string,
): Promise<Backward> {
  const put: EstateObject[] = []
  const remove: ObjectName[] = []
  const left: string[] = []
  for (const { name, before, after } of written) {
    const current = await objects.read(name)
    if (!current) {
      // Who took it away while it was to be there meant it.
      if (before && after) left.push(`${nameText(name)} is gone, and is not made again`)
      else if (before) put.push(before)
    } else if (before) {
      const back = patched(current, after ?? {}, before) as EstateObject
      if (!isSame(back, current)) put.push(back)
    } else if (isOurs(current, application)) remove.push(name)
    else left.push(`${nameText(name)} is not marked as made by onboarding any more, and stays`)
  }
  return { put, remove, left }
}

/** Objects of a step that are not as it wrote them: somebody else has changed them, or taken them away. */
export async function changedByOthers(objects: Objects, written: readonly ObjectBefore[]): Promise<readonly string[]> {
  const found: string[] = []
  for (const { name, before, after } of written) {
    const current = await objects.read(name)
    const isSo = after ? current !== undefined && stillAs(current, before ?? {}, after) : current === undefined
    if (!isSo) found.push(nameText(name))
  }
  return found
}

/** `DestinationRule shop/cart` */
export function nameText({ kind, metadata: { name, namespace } }: ObjectName): string {
  return `${kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`
}

function nameOnly({ apiVersion, kind, metadata: { name, namespace } }: ObjectName): ObjectName {
  return { apiVersion, kind, metadata: { name, ...(namespace === undefined ? {} : { namespace }) } }
}

function keyOf({ apiVersion, kind, metadata }: ObjectName): string {
  return JSON.stringify([apiVersion.split('/')[0], kind, metadata.namespace, metadata.name])
}
