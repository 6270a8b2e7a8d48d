/**
 * The part of the Reflect metadata API that `@peculiar/x509` needs to load: its dependency injection container
 * (tsyringe) asks for constructor parameter types, which nothing in that library declares. So there is never any
 * metadata to give, and what is set is kept for its own class only. Import this before `@peculiar/x509`, which is
 * done in one place, `x509.ts`.
 */
interface MetadataReflect {
  getMetadata?: (key: unknown, target: object) => unknown
  getOwnMetadata?: (key: unknown, target: object) => unknown
  defineMetadata?: (key: unknown, value: unknown, target: object) => void
}

const reflect = Reflect as MetadataReflect

if (!reflect.getMetadata) {
  const metadata = new WeakMap<object, Map<unknown, unknown>>()
  const own = (key: unknown, target: object) => metadata.get(target)?.get(key)
  reflect.getMetadata = own
  reflect.getOwnMetadata = own
  reflect.defineMetadata = (key, value, target) => {
    const entries = metadata.get(target) ?? new Map<unknown, unknown>()
    entries.set(key, value)
    metadata.set(target, entries)
  }
}
