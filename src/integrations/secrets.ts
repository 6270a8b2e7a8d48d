import { readFile } from 'node:fs/promises'
import { type SecretReference, Undelivered } from './receiver.ts'

/** Reads keys of Secrets: undefined where there is no such Secret, or it has no such key. */
export type SecretKeys = (namespace: string, name: string, key: string) => Promise<string | undefined>

/**
 * What a reference leads to, without the line's end that files often have.
 * @param namespace of the object that has the reference
 * @param trusted whether it may name files and variables of the server
 * @throws Undelivered with where it should be, never with what is there
 */
export async function secretAt(
  { secret, file, env }: SecretReference,
  { namespace, trusted, keys }: { readonly namespace: string; readonly trusted: boolean; readonly keys: SecretKeys },
): Promise<string> {
  if (secret) {
    const where = `key ${secret.key} of Secret ${namespace}/${secret.name}`
    const value = await keys(namespace, secret.name, secret.key).catch((error: Error) => {
      throw new Undelivered(`${where} cannot be read: ${error.message}`, false)
    })
    return some(value, where)
  }
  if (!trusted) throw new Undelivered('only receivers of the root namespace may take secrets from the server', false)
  if (env !== undefined) return some(process.env[env], `environment variable ${env} of the server`)
  if (file === undefined) throw new Undelivered('it does not say where the secret is', false)
  const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Undelivered(`file ${file} cannot be read by the server: ${error.code}`, false)
  })
  return some(text, `file ${file}`)
}

function some(value: string | undefined, where: string): string {
  const secret = value?.trim()
  if (!secret) throw new Undelivered(`there is no ${where}, or it is empty`, false)
  return secret
}
