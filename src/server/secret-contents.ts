import type { Secret } from '../resources/core.ts'

/** A Secret with the names in it, and nothing of what they stand for: who may ask what there is may still not know keys. */
export function withoutContents(secret: Secret): Secret {
  const { data, stringData } = secret
  const emptied = (fields: object) => Object.fromEntries(Object.keys(fields).map((name) => [name, '']))
  return {
    ...secret,
    ...(data ? { data: emptied(data) } : {}),
    ...(stringData ? { stringData: emptied(stringData) } : {}),
  }
}
